using DeqDet.Settings;

namespace DeqDet.Host;

/// <summary>
/// Exit codes: 0 done, 1 a failure of the program or the machine, 2 wrong usage or wrong input.
/// </summary>
public static class Program
{
    public static int Main(string[] arguments)
    {
        try
        {
            return Run(arguments);
        }
        catch (InputError error)
        {
            Console.Error.WriteLine($"error: {error.Message}");
            return 2;
        }
        catch (Exception error)
        {
            Console.Error.WriteLine(error);
            return 1;
        }
    }

    private static int Run(string[] arguments) =>
        throw new InputError($"unknown command '{string.Join(' ', arguments)}'.");
}
