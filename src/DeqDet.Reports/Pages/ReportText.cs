using DeqDet.Coco.Analysis;

namespace DeqDet.Reports.Pages;

/// <summary>The lines that the terminal shows about a page that was written.</summary>
public static class ReportText
{
    /// <summary>The kinds of mistakes, notes, and where the page is.</summary>
    public static void Write(EvaluationPage page, string path, TextWriter output)
    {
        output.WriteLine();
        AnalysisText.WriteErrors(page.Analysis, output);
        output.WriteLine();
        foreach (var note in page.Gallery.Notes)
        {
            output.WriteLine($"note: {note}");
        }
        output.WriteLine($"report: {path} ({new FileInfo(path).Length / 1e6:0.0} MB)");
    }
}
