// What a detector finds in the pictures of a folder:
//   dotnet run --project samples/DetectFolder -- work/shapes data/shapes/val
using DeqDet.Detection;
using DeqDet.Images;

using var detector = DetectorSession.Open(args[0]);
foreach (var file in Directory.EnumerateFiles(args[1]).Order(StringComparer.Ordinal))
{
    foreach (var found in detector.Detect(ImageFile.Load(file)).Where(found => found.Score >= 0.3f))
    {
        var (left, top, right, bottom) = found.Box;
        Console.WriteLine($"{file}: {found.Name} {found.Score:0.00} at {left:0} {top:0} {right:0} {bottom:0}");
        Console.WriteLine($"  from query {found.Query}, which another refinement would move by {found.Residual:P1}");
    }
}
