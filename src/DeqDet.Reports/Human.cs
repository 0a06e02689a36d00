namespace DeqDet.Reports;

/// <summary>Numbers as people read them.</summary>
public static class Human
{
    /// <summary>4:07, or 1:04:07 from an hour on.</summary>
    public static string Duration(TimeSpan time)
    {
        var seconds = (long)Math.Round(Math.Max(0, time.TotalSeconds));
        return seconds < 3600
            ? $"{seconds / 60}:{seconds % 60:00}"
            : $"{seconds / 3600}:{seconds / 60 % 60:00}:{seconds % 60:00}";
    }

    /// <summary>Bytes as 812 MB or 3.1 GB, of 2^20 and 2^30 bytes.</summary>
    public static string Bytes(long bytes) =>
        bytes < 1L << 30 ? $"{bytes / (double)(1 << 20):0} MB" : $"{bytes / (double)(1L << 30):0.0} GB";

    /// <summary>Three significant digits or so: 0.00123, 0.123, 12.3, 123; 1.23e-05 and 1.23e+06 beyond.</summary>
    public static string Number(double value) =>
        Math.Abs(value) switch
        {
            0 => "0",
            < 1e-3 or >= 1e5 => value.ToString("0.00e-00"),
            < 1 => value.ToString("0.0000"),
            < 10 => value.ToString("0.000"),
            < 100 => value.ToString("0.0"),
            _ => value.ToString("0"),
        };

    /// <summary>A path as it is typed: relative where it lies below the current folder.</summary>
    public static string Path(string path)
    {
        var relative = System.IO.Path.GetRelativePath(Environment.CurrentDirectory, path);
        return relative.StartsWith("..", StringComparison.Ordinal) ? path : relative;
    }

    /// <summary>A command of this program as it is typed in the repository; arguments with spaces are put into quotes by the caller.</summary>
    public static string Command(string arguments) => $"dotnet run --project src/DeqDet.Host -- {arguments}";
}
