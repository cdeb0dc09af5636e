"""The calibration's translation on a made-up firmware, its reading of reports, and its page."""

import sys

import numpy as np
import pandas as pd
import pytest

from ultralow.synthesis import netlist, yosys
from ultralow.errors import StudyError
from ultralow.study.study import root
from ultralow.device import BIT_NS, CHAIN_NS, TABLE_NS

sys.path.insert(0, str(root() / "benchmarks"))
import calibration  # noqa: E402
import kanele  # noqa: E402

PACKAGE = """
  constant N_INPUT  : positive := 2;
  constant N_OUTPUT : positive := 2;
  constant INPUT_WIDTH : positive := 3;
  constant OUTPUT_WIDTH : positive := 3;
  subtype input_t  is unsigned(INPUT_WIDTH-1 downto 0);
  subtype output_t is signed(OUTPUT_WIDTH-1 downto 0);
  constant SUM_WIDTH_0_0: positive := 5;
  subtype sum_t_0_0 is signed(SUM_WIDTH_0_0-1 downto 0);
  subtype lut_output_t_0 is signed(3 downto 0);
  subtype act_0_1_t is signed(3 downto 0);
  constant B_0_1 : signed(3 downto 0) := to_signed(-5, 4);
  constant C_0_1_1 : signed(3 downto 0) := to_signed(6, 4);
"""
CIRCUIT = """
architecture rtl of KAN is
  signal act_0_0_0, act_0_1_0 : lut_output_t_0; -- tables
  signal act_0_1_1 : act_0_1_t;
  signal out0_0, out0_0_reg, act_1_0_0 : lut_output_t_0;
begin
  gen_l0c0 : block
  signal sum_0_0, s1_0 : sum_t_0_0;
  begin
    i00 : entity work.LUT_0 generic map (MEMFILE=>"a.mem") port map (clk, input(0), act_0_0_0);
    i01 : entity work.LUT_0 generic map (MEMFILE=>"b.mem") port map (clk, input(1), act_0_1_0);
    adder_tree : process(clk)
    begin
      if rising_edge(clk) then
        sum_0_0 <= resize(act_0_0_0, SUM_WIDTH_0_0) + resize(act_0_1_0, SUM_WIDTH_0_0);
      end if;
    end process;
    out0_0 <= saturate(sum_0_0, 4);
  end block;
  out_layer0_reg : process(clk)
    begin
      if rising_edge(clk) then
        out0_0_reg <= out0_0;
    end if;
  end process;
  gen_l1c0 : block
  begin
    i00 : entity work.LUT_1 generic map (MEMFILE=>"c.mem") port map (clk, out0_0_reg, act_1_0_0);
    output(0) <= saturate(act_1_0_0, 3);
  end block;
  gen_l0c1 : block
  signal s1_0, s2_0, s3_0, s1_1_pipe : act_0_1_t;
  begin
    i00 : act_0_1_1 <= C_0_1_1 when input(1)(0) = '1' else (others => '0');
    adder_tree : process(clk)
    begin
      if rising_edge(clk) then
        s1_0 <= B_0_1 + act_0_1_1;
        s2_0 <= s1_0;
        s3_0 <= s2_0;
        s1_1_pipe <= s3_0;
      end if;
    end process;
    output(1) <= saturate(s1_1_pipe, 3);
  end block;
end architecture;
"""


@pytest.fixture
def firmware(tmp_path):
    """The folder, and its three tables by the code of what they read, lowest value first."""
    tables = [np.random.default_rng(seed).integers(-8, 8, size) for seed, size in enumerate((8, 8, 16))]
    for folder in ("src", "mem"):
        (tmp_path / "given" / folder).mkdir(parents=True)
    (tmp_path / "given/src/PkgKAN.vhd").write_text(PACKAGE)
    (tmp_path / "given/src/KAN.vhd").write_text(CIRCUIT)
    for name, table in zip("abc", tables):
        (tmp_path / f"given/mem/{name}.mem").write_text("\n".join(f"{value % 16:X}" for value in table))
    return tmp_path / "given", tables


def test_the_translation_equals_the_tables(firmware, tmp_path):
    folder, (a, b, c) = firmware
    codes = np.stack(np.meshgrid(range(8), range(8)), -1).reshape(-1, 2)
    hidden = np.clip(a[codes[:, 0]] + b[codes[:, 1]], -8, 7)
    wanted = np.stack([np.clip(c[hidden + 8], -4, 3), np.clip(-5 + 6 * (codes[:, 1] & 1), -4, 3)], 1)
    circuit = kanele.read(folder)
    assert circuit.registers == 4
    np.testing.assert_array_equal(circuit(codes), wanted)
    design = kanele.write(circuit, tmp_path / "verilog", 5.0)
    counts, mapped = yosys.synthesise(design)
    assert counts.ff > 0
    np.testing.assert_array_equal(netlist.simulate(mapped, design, codes), wanted)


@pytest.mark.parametrize("before, after, message", [
    ("s2_0 <= s1_0;", "s2_0 <= s1_0 and s1_0;", "no translation for: s2_0 <= s1_0 and"),
    ("s2_0 <= s1_0;", "s2_0 <= s9_0;", "s9_0 is not declared"),
    ("s2_0 <= s1_0;", "s2_0 <= s1_0 + act_0_1_1;", "different clock cycles")])
def test_what_is_not_understood_is_refused(firmware, before, after, message):
    folder, _ = firmware
    (folder / "src/KAN.vhd").write_text(CIRCUIT.replace(before, after))
    with pytest.raises(StudyError, match=message):
        kanele.read(folder).registers


def test_a_path_is_priced_as_the_netlist_is():
    report = """| Design Timing Summary
    WNS(ns)      TNS(ns)
    -------      -------  \n      0.050        0.000
Clock  Waveform(ns)         Period(ns)
clk    {0.000 0.600}        1.200           833.333
Max Delay Paths
  Data Path Delay:        1.130ns  (logic 0.688ns (60.912%)  route 0.442ns (39.088%))
    SLICE_X60Y34  LUT3 (Prop_H6LUT_SLICEM_I1_O)
    SLICE_X61Y34  CARRY8 (Prop_CARRY8_SLICEL_S[4]_CO[7])
    SLICE_X61Y35  CARRY8 (Prop_CARRY8_SLICEL_CI_O[1])
Min Delay Paths"""
    found = calibration.slowest_path(report)
    assert found == {"target_ns": 1.2, "vendor_period_ns": 1.15, "vendor_path_tables": 1, "vendor_path_chains": 1,
                     "vendor_path_ns": 1.13, "path_ns": round(TABLE_NS + CHAIN_NS + 5 * BIT_NS, 3)}


def test_the_page_is_current():
    text, table = calibration.PAGE.read_text(encoding="utf-8"), pd.read_csv(calibration.CSV)
    assert calibration.renewed(text, table) == text, "run `python benchmarks/calibration.py --page`"
    assert (table["rows_exact"] == table["rows"]).all()
    assert calibration.renewed(text, table.assign(lut=table["lut"] + 1)) != text
