// What a detector finds in the pictures of a folder:
//   dotnet run --project samples/DetectFolder -- work/shapes data/shapes/val
using DeqDet.Detection;

using var detector = DetectorSession.Open(args[0]);
foreach (var file in Directory.EnumerateFiles(args[1]).Order(StringComparer.Ordinal))
{
    foreach (var found in detector.Detect(file).Where(detector.Model.Takes))
    {
        Console.WriteLine($"{file}: {found.Name} {found.Score:0.00} at {found.Box}, residual {found.Residual:0.0000}");
    }
}
