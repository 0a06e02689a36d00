/// The spectral radius against the eigenvalues of explicit matrices.
module DeqDet.Solver.Tests.SpectralTests

open System
open Expecto
open TorchSharp
open DeqDet.Solver

let private config =
    { FsCheckConfig.defaultConfig with
        maxTest = 40
    }

let private normal (random: Random) (rows: int) (columns: int) : torch.Tensor =
    let next () =
        sqrt (-2.0 * log (1.0 - random.NextDouble()))
        * cos (2.0 * Math.PI * random.NextDouble())

    torch.tensor(Array.init (rows * columns) (fun _ -> next ())).reshape(int64 rows, int64 columns)

let private orthogonal (random: Random) (size: int) =
    let struct (q, _) = torch.linalg.qr (normal random size size)
    q

/// A matrix with condition number `condition`: its singular values fall evenly from 1 to 1 / condition on a logarithmic scale.
let private conditioned (random: Random) (condition: float) (size: int) =
    let values =
        torch.tensor
            [|
                for i in 0 .. size - 1 -> condition ** -(float i / float (max 1 (size - 1)))
            |]

    (orthogonal random size * values).matmul(orthogonal random size)

/// V D V^-1 for blocks on the diagonal, each a number or a plane that is turned and stretched by a complex one.
let private withEigenvalues (random: Random) (condition: float) (values: Numerics.Complex list) =
    let size =
        values |> List.sumBy (fun value -> if value.Imaginary = 0.0 then 1 else 2)

    let blocks = Array2D.zeroCreate size size

    values
    |> List.fold
        (fun at value ->
            if value.Imaginary = 0.0 then
                blocks[at, at] <- value.Real
                at + 1
            else
                blocks[at, at] <- value.Real
                blocks[at + 1, at + 1] <- value.Real
                blocks[at, at + 1] <- value.Imaginary
                blocks[at + 1, at] <- -value.Imaginary
                at + 2)
        0
    |> ignore

    let diagonal =
        torch
            .tensor(
                [|
                    for i in 0 .. size - 1 do
                        for j in 0 .. size - 1 -> blocks[i, j]
                |]
            )
            .reshape(int64 size, int64 size)

    let vectors = conditioned random condition size
    vectors.matmul(diagonal).matmul(torch.linalg.inv vectors)

let private complex (modulus: float) (angle: float) =
    Numerics.Complex.FromPolarCoordinates(modulus, angle)

let private largest (matrix: torch.Tensor) =
    (torch.linalg.eigvals matrix).abs().max().ToDouble()

let private affine (matrix: torch.Tensor) (shift: torch.Tensor) (z: torch.Tensor) = z.matmul (matrix.t ()) + shift

let private radius options (matrix: torch.Tensor) =
    let point = torch.ones ([| 1L; matrix.shape[0] |], matrix.dtype)
    (Spectral.radius options (affine matrix point) point)[0]

let private agrees (name: string) (matrix: torch.Tensor) =
    let expected, report = largest matrix, radius Spectral.defaults matrix
    Expect.isTrue report.Converged $"{name}: {report}, truth {expected}"
    let error = abs (report.Radius - expected) / expected
    Expect.isLessThan error 1e-6 $"{name}: {report}, truth {expected}"

let private sizeOf (random: Random) = random.Next(2, 130)

/// Eigenvalues whose moduli differ by 1e-1 to 1e-8, at other angles.
let private nearlyEqual (seed: int) =
    use _ = torch.NewDisposeScope()
    let random = Random seed
    let gap = 10.0 ** (-1.0 - 7.0 * random.NextDouble())

    let others =
        [
            for _ in 1 .. sizeOf random / 2 -> complex (0.7 * random.NextDouble()) (random.NextDouble() * 3.0)
        ]

    for close in
        [
            [ complex 0.9 0.0; complex (0.9 - gap) Math.PI ]
            [ complex 0.9 1.0; complex (0.9 - gap) 2.0 ]
            [ complex 0.9 0.0; complex (0.9 - gap) 0.7; Numerics.Complex(gap - 0.9, 0.0) ]
        ] do
        let close =
            close
            |> List.map (fun v ->
                if abs v.Imaginary < 1e-9 then
                    Numerics.Complex(v.Real, 0.0)
                else
                    v)

        agrees $"gap {gap}" (withEigenvalues random 10.0 (close @ others))

[<Tests>]
let tests =
    testList
        "spectral radius of explicit matrices"
        [
            testPropertyWithConfig config "far from normal, up to a condition number of 1000"
            <| fun (seed: int) ->
                use _ = torch.NewDisposeScope()
                let random = Random seed

                let values =
                    [
                        for _ in 1 .. sizeOf random / 2 do
                            let modulus = 0.95 * random.NextDouble()

                            if random.Next 2 = 0 then
                                complex modulus (random.NextDouble() * Math.PI)
                            else
                                Numerics.Complex(modulus * float (random.Next(0, 2) * 2 - 1), 0.0)
                    ]

                let condition = 10.0 ** (3.0 * random.NextDouble())
                agrees $"{values.Length} values, condition {condition}" (withEigenvalues random condition values)

            testPropertyWithConfig config "random matrices, a disc full of eigenvalues"
            <| fun (seed: int) ->
                use _ = torch.NewDisposeScope()
                let random = Random seed
                let size = sizeOf random
                let matrix = normal random size size

                let expected, report =
                    largest matrix, radius { Spectral.defaults with Steps = 2000 } matrix
                // many are nearly as large as the largest: it takes what it takes, and is right when it says so
                Expect.isTrue (report.Converged || report.Residual > 1e-7) $"{report}"

                if report.Converged then
                    Expect.isLessThan (abs (report.Radius - expected) / expected) 1e-6 $"{report}, truth {expected}"

            testPropertyWithConfig config "a conjugate pair that dominates"
            <| fun (seed: int) ->
                use _ = torch.NewDisposeScope()
                let random = Random seed

                let others =
                    [
                        for _ in 1 .. sizeOf random / 2 ->
                            complex (0.8 * random.NextDouble()) (random.NextDouble() * 3.0)
                    ]

                complex 0.9 (0.01 + 3.1 * random.NextDouble()) :: others
                |> withEigenvalues random (10.0 ** (2.0 * random.NextDouble()))
                |> agrees "pair"

            testPropertyWithConfig config "nearly equal moduli" nearlyEqual

            testCase "an eigenvalue that is found late, and is the largest"
            <| fun () ->
                for seed in [ 40; -40 ] do
                    nearlyEqual seed

            testPropertyWithConfig config "two that are nearly the same: right, or not converged"
            <| fun (seed: int) ->
                use _ = torch.NewDisposeScope()
                let random = Random seed
                let gap = 10.0 ** (-1.0 - 9.0 * random.NextDouble())

                let others =
                    [ for _ in 1 .. sizeOf random / 2 -> complex (0.7 * random.NextDouble()) 1.0 ]

                let values =
                    Numerics.Complex(0.9, 0.0) :: Numerics.Complex(0.9 - gap, 0.0) :: others

                let matrix = withEigenvalues random 10.0 values
                let report = radius Spectral.defaults matrix

                Expect.isLessThan
                    (abs (report.Radius - 0.9))
                    (if report.Converged then 1e-6 else 1e-3)
                    $"gap {gap}: {report}"

            testCase "defective ones: right, or not converged"
            <| fun () ->
                for size in [ 2; 3; 5; 8 ] do
                    for seed in 1..10 do
                        use _ = torch.NewDisposeScope()
                        let random = Random seed
                        let turn = orthogonal random size

                        let block =
                            torch.eye (int64 size, dtype = torch.float64) * 0.9.ToScalar()
                            + torch.diag (torch.ones (int64 size - 1L, dtype = torch.float64), 1L)

                        let report = radius Spectral.defaults (turn.matmul(block).matmul(turn.t ()))

                        if report.Converged then
                            Expect.isLessThan (abs (report.Radius - 0.9) / 0.9) 1e-6 $"{size}: {report}"
                        else
                            Expect.isLessThan
                                (abs (report.Radius - 0.9) / 0.9)
                                (100.0 * report.Residual)
                                $"{size}: {report}"

            testCase "nilpotent ones are not said to have a radius"
            <| fun () ->
                for size in [ 2; 5; 50 ] do
                    use _ = torch.NewDisposeScope()
                    let turn = orthogonal (Random size) size

                    let block = torch.diag (torch.ones (int64 size - 1L, dtype = torch.float64), 1L)
                    let report = radius Spectral.defaults (turn.matmul(block).matmul(turn.t ()))
                    Expect.isTrue (not report.Converged || report.Radius = 0.0) $"{size}: {report}"

            testCase "zero, the identity, projections and rank one"
            <| fun () ->
                for size in [ 1; 2; 50 ] do
                    use _ = torch.NewDisposeScope()
                    let eye = torch.eye (int64 size, dtype = torch.float64)
                    let zero = radius Spectral.defaults (torch.zeros_like eye)
                    Expect.equal (zero.Radius, zero.Converged, zero.Steps) (0.0, true, 1) "zero"
                    let one = radius Spectral.defaults eye
                    Expect.floatClose Accuracy.high one.Radius 1.0 "identity"
                    Expect.equal (one.Converged, one.Steps) (true, 1) "identity"
                    let random = Random size
                    let outer = (normal random size 1).matmul(normal random 1 size)
                    agrees "rank one" outer

            testCase "one dimension, either sign"
            <| fun () ->
                for value in [ -0.7; 0.3; 1e-12; -1e12 ] do
                    use _ = torch.NewDisposeScope()
                    let report = radius Spectral.defaults (torch.tensor([| value |]).reshape(1L, 1L))
                    Expect.floatClose Accuracy.high (report.Radius / abs value) 1.0 $"{value}"
                    Expect.isTrue report.Converged $"{report}"

            testCase "a batch is its samples one by one, each with its own count"
            <| fun () ->
                use _ = torch.NewDisposeScope()
                let random = Random 3

                let matrices =
                    [|
                        for modulus in [ 0.3; 0.9; 0.5 ] ->
                            withEigenvalues
                                random
                                30.0
                                [
                                    for i in 0..59 ->
                                        complex
                                            (modulus * 0.98 ** float i)
                                            (if modulus = 0.0 then 0.0 else float (i + 1))
                                ]
                    |]

                let all = torch.stack matrices
                let point = torch.ones ([| 3L; all.shape[1] |], torch.float64)
                let map (z: torch.Tensor) = torch.bmm(all, z.unsqueeze 2).squeeze 2
                let reports = Spectral.radius Spectral.defaults map point

                for report, matrix in Array.zip reports matrices do
                    Expect.isTrue report.Converged $"{report}"
                    Expect.isLessThan (abs (report.Radius - largest matrix)) 1e-6 $"{report}"

                    let alone = radius Spectral.defaults matrix

                    Expect.isTrue
                        (alone.Converged && abs (alone.Radius - report.Radius) < 1e-6)
                        $"{report}, alone {alone}"

            testCase "in float32 six digits, and it says how many"
            <| fun () ->
                for condition in [ 1.0; 10.0; 1000.0 ] do
                    use _ = torch.NewDisposeScope()
                    let random = Random(int condition)
                    let values = [ for i in 0..29 -> complex (0.9 * 0.9 ** float i) (float i) ]
                    let matrix = withEigenvalues random condition values
                    let expected = largest (matrix.to_type(torch.float32).to_type torch.float64)
                    let report = radius Spectral.defaults (matrix.to_type torch.float32)
                    let error = abs (report.Radius - expected) / expected
                    Expect.isLessThan error report.Residual $"{condition}: {report}, truth {expected}"
                    Expect.isLessThan report.Steps 500 "it ends where products can give no more"
        ]
