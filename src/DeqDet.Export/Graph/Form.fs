namespace DeqDet.Export

/// Who is to run the file.
type Runtime =
    /// ONNX Runtime, and whatever else follows the standard.
    | Standard
    /// TensorRT: sampling by gathers, since some of its versions compute GridSample wrongly, and no sizes that depend on numbers.
    | TensorRt
    /// A page: the states on the way are results, too, to be looked at step by step.
    | Web

/// In which numbers the large layers are kept and computed; all else is float32.
type WeightForm =
    | Single
    | Half
    /// Large linear layers by whole numbers of 8 bits, their inputs by a factor of each call.
    | Bytes

/// How a graph is written.
type Form =
    {
        /// Version of the standard's operators, 17 to 20.
        Operators: int
        Weights: WeightForm
        Runtime: Runtime
    }

module Form =

    /// The oldest set of operators that has layer normalisation, and the newest one that is written.
    let operators = 17, 20

    /// The newest operators, float32.
    let standard: Form =
        {
            Operators = snd operators
            Weights = Single
            Runtime = Standard
        }

    /// The version of the file format that belongs to a set of operators.
    let fileVersion (form: Form) : int = if form.Operators < 19 then 8 else 9
