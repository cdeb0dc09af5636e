"""Describe the device: the Virtex UltraScale+ VU9P of the slides, its totals, its look-up tables and its delays."""

PART = "xcvu9p-flga2104-2L-e"
# As the vendor's product table counts it; all percentages refer to these.
TOTALS = {"lut": 1_182_240, "ff": 2_364_480, "dsp": 6_840, "bram18": 4_320}

LUT_INPUTS = 6
# A look-up table of so many inputs costs nothing in front of a carry chain: the chain's own table has one input for it.
CHAIN_LUT_INPUTS = 5

# Delays of alkaid's model of UltraScale+, routing included: an adder of n bits takes 1.09375 + 0.0254·(n − 1) ns and a
# multiplexer, which is one table, 0.5 ns. So a carry chain adds what the adder has beyond its table.
TABLE_NS, CHAIN_NS, BIT_NS = 0.5, 0.59375, 0.025390625
MULTIPLIER_NS = 3.0  # a DSP48E2 without registers inside: an assumption, alkaid's model knows multipliers of tables only
