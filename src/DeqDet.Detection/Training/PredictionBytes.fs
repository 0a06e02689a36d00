namespace DeqDet.Detection

open System.IO
open DeqDet
open DeqDet.Coco
open DeqDet.Solver

/// Predictions as bytes, by which processes tell each other what they found.
module PredictionBytes =

    let private outcomes = [| Converged; StepLimit; Diverged; NonFinite |]

    let private writeReport (writer: BinaryWriter) (report: Report) =
        writer.Write(byte (Array.findIndex ((=) report.Outcome) outcomes))
        writer.Write report.Steps
        writer.Write report.Evaluations
        writer.Write report.Residual
        writer.Write report.RelativeResidual
        writer.Write report.ContractionRate
        writer.Write report.EmpiricalError

    let private readReport (reader: BinaryReader) : Report =
        {
            Outcome = outcomes[int (reader.ReadByte())]
            Steps = reader.ReadInt32()
            Evaluations = reader.ReadInt32()
            Residual = reader.ReadDouble()
            RelativeResidual = reader.ReadDouble()
            ContractionRate = reader.ReadDouble()
            EmpiricalError = reader.ReadDouble()
        }

    let private writeFinding (writer: BinaryWriter) (finding: Finding) =
        writer.Write finding.Label
        writer.Write finding.Score
        writer.Write finding.Box.X1
        writer.Write finding.Box.Y1
        writer.Write finding.Box.X2
        writer.Write finding.Box.Y2
        writer.Write finding.Query

    let private readFinding (classes: ObjectClass[]) (refinement: Report[]) (reader: BinaryReader) : Finding =
        let label, score = reader.ReadInt32(), reader.ReadSingle()

        let box =
            Box(reader.ReadSingle(), reader.ReadSingle(), reader.ReadSingle(), reader.ReadSingle())

        let query = reader.ReadInt32()

        {
            Class = classes[label]
            Label = label
            Score = score
            Box = box
            Query = query
            Report = Array.tryItem query refinement
        }

    /// Predictions by the numbers of their images.
    let write (predictions: (int * Prediction) seq) : byte[] =
        use stream = new MemoryStream()

        using (new BinaryWriter(stream)) (fun writer ->
            for image, prediction in predictions do
                writer.Write image
                writer.Write prediction.Refinement.Length
                Array.iter (writeReport writer) prediction.Refinement
                writer.Write prediction.Findings.Count
                Seq.iter (writeFinding writer) prediction.Findings)

        stream.ToArray()

    /// What `write` wrote, for a model with these classes.
    let read (classes: ObjectClass[]) (bytes: byte[]) : (int * Prediction) list =
        use reader = new BinaryReader(new MemoryStream(bytes))

        [
            while reader.BaseStream.Position < reader.BaseStream.Length do
                let image = reader.ReadInt32()

                let refinement = Array.init (reader.ReadInt32()) (fun _ -> readReport reader)

                let findings =
                    Array.init (reader.ReadInt32()) (fun _ -> readFinding classes refinement reader)

                image,
                {
                    Findings = findings
                    Refinement = refinement
                }
        ]
