"""Name the operations of alkaid's circuits (its file format ALIR), with their operands and payloads.

Here and not with the circuits' writers: a circuit network's file is checked by them, and exact descriptions import nothing
above themselves.
"""

from enum import IntEnum


class Opcode(IntEnum):
    """What an operation does; ``a``, ``b``, ``c`` are its operands (``addr``), ``data`` its integer payload."""

    NEGATE = -2  # -a
    INPUT = -1  # input number data[0]
    ADD = 0  # a + b·2^data[0]
    SUBTRACT = 1  # a - b·2^data[0]
    RELU = 2  # max(0, a), rounded down
    QUANTIZE = 3  # other bits of a·2^data[0]: rounded down, modulo the result's range
    ADD_CONSTANT = 4  # a + data[0]·2^-data[1]
    CONSTANT = 5
    SELECT = 6  # a if c's highest bit is set, else b·2^data[0]
    MULTIPLY = 7  # a·b
    LOOKUP = 8  # entry a of table data[0]
    BITWISE_UNARY = 9  # ~a, |a, &a by data[0]
    BITWISE_BINARY = 10  # a op b·2^data[0], op one of & | ^ by data[1]


SUMS = (Opcode.ADD, Opcode.SUBTRACT)


def inverts(op) -> bool:
    """Whether an operation is the complement of its operand's bits."""
    return op.opcode == Opcode.BITWISE_UNARY and op.data[0] == 0
