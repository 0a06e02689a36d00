namespace DeqDet.Detection

open DeqDet.Checkpoints
open DeqDet.Model

/// What a detector wants to find in a file.
module ExpectedWeights =

    /// What a model says about one of its tensors; dead ones may be absent and are not loaded.
    let ofSpec (spec: Spec) : ExpectedTensor =
        ExpectedTensor(
            spec.Name,
            spec.Shape,
            (if spec.Integer then
                 ElementType.Int64
             else
                 ElementType.Float32),
            spec.Role <> Dead
        )

    /// Everything that a detector with these settings wants.
    let ofDetector (settings: DetectorSettings) : ExpectedTensor[] =
        [| for spec in Detector.specs settings -> ofSpec spec |]
