namespace DeqDet.Host.Devices;

/// <summary>The processor of this machine.</summary>
public static class Processor
{
    /// <summary>Its name, if the system reports one.</summary>
    public static string? Name =>
        Field(CpuInfo, "model name") ?? Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER");

    /// <summary>
    /// Cores that this process may use: physical ones, as two threads on one core hinder each other in matrix products, and no more
    /// than affinity and container limits allow.
    /// </summary>
    public static int UsableCores => Math.Min(Environment.ProcessorCount, PhysicalCores(CpuInfo) ?? int.MaxValue);

    /// <summary>Cores for each of several processes on this machine: all that it may use where it is bound to some, else its share.</summary>
    public static int CoresOfEach(int processes)
    {
        var isBound = CpuInfo.Count(line => Value(line, "processor") is not null) > Environment.ProcessorCount;
        return isBound ? UsableCores : Math.Max(1, UsableCores / processes);
    }

    /// <summary>Physical cores in a text in the format of Linux's /proc/cpuinfo; null where it does not tell.</summary>
    public static int? PhysicalCores(IEnumerable<string> cpuInfo)
    {
        var cores = new HashSet<(string, string)>();
        var socket = "";
        foreach (var line in cpuInfo)
        {
            if (Value(line, "physical id") is { } id)
                socket = id;
            else if (Value(line, "core id") is { } core)
                cores.Add((socket, core));
        }
        return cores.Count > 0 ? cores.Count : null;
    }

    private static string[] CpuInfo
    {
        get
        {
            try
            {
                return File.Exists("/proc/cpuinfo") ? File.ReadAllLines("/proc/cpuinfo") : [];
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                return [];
            }
        }
    }

    private static string? Field(IEnumerable<string> lines, string name) =>
        lines.Select(line => Value(line, name)).FirstOrDefault(value => value is not null);

    private static string? Value(string line, string name)
    {
        var colon = line.IndexOf(':');
        return colon > 0 && line[..colon].Trim() == name ? line[(colon + 1)..].Trim() : null;
    }
}
