<project xmlns="com.autoesl.autopilot.project" name="network_prj" top="network" projectType="C/C++">
    <includePaths/>
    <libraryPaths/>
    <Simulation>
        <SimFlow name="csim" clean="true" csimMode="0" lastCsimMode="0"/>
    </Simulation>
    <solutions xmlns="">
        <solution name="solution1" status="active"/>
    </solutions>
    <files xmlns="">
        <file name="firmware/network.cpp" sc="0" tb="false" cflags="-std=c++0x" blackbox="false"/>
    </files>
</project>
