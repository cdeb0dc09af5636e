create_clock -period 5 -name clk [get_ports clk]
set_clock_uncertainty -setup 0.625 [get_clocks clk]
