// COCO's numbers for any detector's results, and what its mistakes cost; without libtorch:
//   dotnet run --project samples/EvaluateResults -- instances_val.json results.json
using DeqDet;
using DeqDet.Coco.Analysis;
using DeqDet.Coco.Evaluation;

try
{
    var truth = GroundTruthReader.Load(args[0]);
    var detections = DetectionsReader.Load(args[1]);
    var result = Evaluator.Evaluate(truth, detections);
    EvaluationText.WriteSummary(result, Console.Out);
    EvaluationText.WriteClasses(result, Console.Out);
    AnalysisText.WriteErrors(EvaluationAnalysis.Of(truth, detections, result, AnalysisParameters.Default), Console.Out);
    return 0;
}
catch (InputError error)
{
    Console.Error.WriteLine(error.Message);
    return 2;
}
