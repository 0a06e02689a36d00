namespace DeqDet.Verification

open System
open DeqDet.Model

/// What a check's error counts.
type Measure =
    /// Largest difference, divided by the largest expected magnitude of the tensor.
    | OfScale
    /// Largest difference of an element relative to it; magnitudes below a thousandth of the tensor's largest count as that.
    | Relative
    /// Largest difference, in the tensor's own unit.
    | Absolute
    /// Number of elements that differ.
    | Count

/// One tensor of a golden file against what was computed here.
type Check =
    {
        File: string
        Tensor: string
        Measure: Measure
        /// Not finite where shapes differ, or where only one of the two is finite.
        Error: float
        Accepted: float
    }

    /// Whether the error is within what is accepted.
    member this.Passed = this.Error <= this.Accepted

module Check =

    let private difference (expected: float) (actual: float) =
        if expected = actual || (Double.IsNaN expected && Double.IsNaN actual) then
            0.0
        elif Double.IsFinite expected && Double.IsFinite actual then
            abs (expected - actual)
        else
            Double.PositiveInfinity

    let private scaleOf (expected: float[]) =
        let mutable scale = 0.0

        for value in expected do
            if Double.IsFinite value then
                scale <- max scale (abs value)

        scale

    let private sameShape (expected: Tensor) (actual: Tensor) =
        let proper (t: Tensor) = Array.filter (fun n -> n <> 1L) t.shape
        proper expected = proper actual

    let private ratio error scale =
        if error = 0.0 then 0.0
        elif scale = 0.0 then Double.PositiveInfinity
        else error / scale

    let private measured
        measure
        accepted
        (error: float[] -> float[] -> float)
        file
        tensor
        (expected: Tensor)
        (actual: Tensor)
        =
        {
            File = file
            Tensor = tensor
            Measure = measure
            Error =
                if sameShape expected actual then
                    error (GoldenFile.floats expected) (GoldenFile.floats actual)
                else
                    Double.PositiveInfinity
            Accepted = accepted
        }

    let private largest (expected: float[]) (actual: float[]) =
        let mutable error = 0.0

        for i in 0 .. expected.Length - 1 do
            error <- max error (difference expected[i] actual[i])

        error

    /// Accepts differences up to `accepted` times the largest expected magnitude.
    let ofScale (accepted: float) (file: string) (tensor: string) (expected: Tensor) (actual: Tensor) : Check =
        let error expected actual =
            ratio (largest expected actual) (scaleOf expected)

        measured OfScale accepted error file tensor expected actual

    /// Accepts differences up to `accepted` times the expected element.
    let relative (accepted: float) (file: string) (tensor: string) (expected: Tensor) (actual: Tensor) : Check =
        let error (expected: float[]) (actual: float[]) =
            let least = scaleOf expected * 1e-3

            let one e a =
                ratio (difference e a) (if Double.IsFinite e then max least (abs e) else 1.0)

            Array.fold2 (fun error e a -> max error (one e a)) 0.0 expected actual

        measured Relative accepted error file tensor expected actual

    /// Accepts differences up to `accepted`.
    let absolute (accepted: float) (file: string) (tensor: string) (expected: Tensor) (actual: Tensor) : Check =
        measured Absolute accepted largest file tensor expected actual

    /// Accepts equal numbers only.
    let exact (file: string) (tensor: string) (expected: Tensor) (actual: Tensor) : Check =
        let error =
            Array.fold2 (fun count e a -> if difference e a = 0.0 then count else count + 1.0) 0.0

        measured Count 0.0 error file tensor expected actual

    /// A check whose error was measured elsewhere.
    let known measure accepted file tensor error : Check =
        {
            File = file
            Tensor = tensor
            Measure = measure
            Error = error
            Accepted = accepted
        }
