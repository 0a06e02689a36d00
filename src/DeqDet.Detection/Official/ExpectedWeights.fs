namespace DeqDet.Detection

open DeqDet.Checkpoints
open DeqDet.Model

/// What a detector wants to find in a file.
module ExpectedWeights =

    let private expected (needed: bool) (spec: Spec) : ExpectedTensor =
        ExpectedTensor(
            spec.Name,
            spec.Shape,
            (if spec.Integer then
                 ElementType.Int64
             else
                 ElementType.Float32),
            needed
        )

    /// One tensor of a model.
    let ofSpec (spec: Spec) : ExpectedTensor = expected true spec

    /// One tensor of an official state dict; a dead one may be absent and is not loaded.
    let ofOfficial (tensor: OfficialTensor) : ExpectedTensor = expected (not tensor.Dead) tensor.Spec

    /// Everything that a detector with these settings wants, and what may lie beside it.
    let ofDetector (settings: DetectorSettings) : ExpectedTensor[] =
        [| for tensor in OfficialTensors.ofDetector settings -> ofOfficial tensor |]
