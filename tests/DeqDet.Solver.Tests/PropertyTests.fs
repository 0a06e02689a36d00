/// Properties on random problems. A failing case is shrunk and printed with its seed.
module DeqDet.Solver.Tests.PropertyTests

open System
open Expecto
open FsCheck
open FsCheck.FSharp
open TorchSharp
open DeqDet.Solver

/// A random map of [batch, size] states, every sample with its own numbers, of which `Norm` is a Lipschitz constant:
/// z -> A z + b or z -> tanh(A z) + b, with A = Norm * a random matrix of spectral norm 1.
type Case =
    {
        Seed: int
        Batch: int
        Size: int
        Norm: float
        Bent: bool
    }

module private Case =

    let private normal (random: Random) : float =
        sqrt (-2.0 * log (1.0 - random.NextDouble()))
        * cos (2.0 * Math.PI * random.NextDouble())

    let private tensor (random: Random) (sizes: int list) : torch.Tensor =
        let sizes = sizes |> List.map int64 |> List.toArray
        let count = int (Array.fold (*) 1L sizes)
        torch.tensor(Array.init count (fun _ -> normal random)).reshape sizes

    /// A [B, d, d] with all singular values 1: orthogonal.
    let private rotation (case: Case) (random: Random) =
        let struct (q, _) =
            torch.linalg.qr (tensor random [ case.Batch; case.Size; case.Size ])

        q

    let private contraction (case: Case) (random: Random) =
        let matrix = tensor random [ case.Batch; case.Size; case.Size ]
        matrix / (torch.linalg.svdvals matrix).narrow(1, 0, 1).unsqueeze 2

    let private shift (case: Case) =
        tensor (Random(case.Seed + 1)) [ case.Batch; case.Size ]

    /// A [B, d, d] of the map and b [B, d].
    let numbers (case: Case) =
        contraction case (Random case.Seed) * case.Norm.ToScalar(), shift case

    /// As `numbers`, but A stretches every vector by `Norm`.
    let stretching (case: Case) =
        rotation case (Random case.Seed) * case.Norm.ToScalar(), shift case

    let start (case: Case) =
        tensor (Random(case.Seed + 2)) [ case.Batch; case.Size ]

    let weights (case: Case) =
        tensor (Random(case.Seed + 3)) [ case.Batch; case.Size ]

    let map (case: Case) (matrix: torch.Tensor, shift: torch.Tensor) : BatchMap =
        fun state index ->
            let image = torch.bmm(matrix.index_select (0, index), state.unsqueeze 2).squeeze 2

            (if case.Bent then torch.tanh image else image) + shift.index_select (0, index)

    /// The sample alone.
    let single (sample: int) (tensor: torch.Tensor) = tensor.narrow (0, int64 sample, 1)

/// Generators and shrinkers: fewer samples, smaller states, gentler maps.
type Cases =
    static member Case() : Arbitrary<Case> =
        let generator =
            gen {
                let! seed = Gen.choose (0, 1_000_000)
                let! batch = Gen.choose (1, 3)
                let! size = Gen.choose (1, 6)
                let! percent = Gen.choose (10, 60)
                let! bent = Gen.elements [ false; true ]

                return
                    {
                        Seed = seed
                        Batch = batch
                        Size = size
                        Norm = float percent / 100.0
                        Bent = bent
                    }
            }

        let shrink (case: Case) =
            seq {
                if case.Batch > 1 then
                    { case with Batch = case.Batch - 1 }

                if case.Size > 1 then
                    { case with Size = case.Size - 1 }

                if case.Norm > 0.2 then
                    { case with
                        Norm = round (case.Norm * 5.0) / 10.0
                    }

                if case.Bent then
                    { case with Bent = false }

                if case.Seed > 0 then
                    { case with Seed = case.Seed / 2 }
            }

        Arb.fromGenShrink (generator, shrink)

let private config =
    { FsCheckConfig.defaultConfig with
        maxTest = 200
        arbitrary = [ typeof<Cases> ]
    }

let private check name (property: Case -> unit) =
    testPropertyWithConfig config name (fun case ->
        use _ = torch.NewDisposeScope()
        property case)

let private numbers (tensor: torch.Tensor) =
    tensor.contiguous().data<float>().ToArray()

let private norm (tensor: torch.Tensor) = tensor.norm().item<float>()

/// The residual norms |f(z) - z| of each sample, by our own arithmetic.
let private residuals (map: BatchMap) (state: torch.Tensor) : float[] =
    let image = map state (torch.arange state.shape[0])

    Array.init (int state.shape[0]) (fun sample ->
        Seq.zip (numbers (Case.single sample image)) (numbers (Case.single sample state))
        |> Seq.sumBy (fun (a, b) -> (a - b) * (a - b))
        |> sqrt)

let private schemes =
    [
        Picard.scheme Picard.defaults
        Picard.scheme { Damping = 0.7 }
        Anderson.scheme { Anderson.defaults with Window = 1 }
        Anderson.scheme { Anderson.defaults with Window = 3 }
        Anderson.scheme Anderson.defaults
        Broyden.scheme { Broyden.defaults with Memory = 4 }
        Broyden.scheme Broyden.defaults
    ]

let private options scheme bound =
    { Solve.defaults with
        Scheme = scheme
        Steps = 2000
        Tolerance = Tolerance.absolute bound
    }

let private sameFixedPoint case =
    let map = Case.map case (Case.numbers case)
    let start = Case.start case

    let states =
        [
            for scheme in schemes do
                let solution = Solve.runIndexed (options scheme 1e-7) map start

                for report in solution.Reports do
                    Expect.equal report.Outcome Converged $"{scheme.Name}: {report}"

                scheme.Name, solution.State
        ]

    // |z - z*| <= |f(z) - z| / (1 - Lipschitz constant), for each of the two.
    let bound = 2.0 * 1e-7 / (1.0 - case.Norm)

    for name, state in states do
        for sample in 0 .. case.Batch - 1 do
            let distance = norm (Case.single sample state - Case.single sample (snd states[0]))

            Expect.isLessThanOrEqual distance (1.0001 * bound) $"{name}: the same point"

let private picardSteps case =
    let map = Case.map case (Case.numbers case)
    let start = Case.start case

    let reduction = 1e-8

    for sample in 0 .. case.Batch - 1 do
        let start = Case.single sample start

        let alone state (_: torch.Tensor) =
            map state (torch.tensor [| int64 sample |])

        let first = (residuals alone start)[0]

        let report =
            (Solve.runIndexed (options (Picard.scheme Picard.defaults) (reduction * first)) alone start).Reports[0]

        Expect.equal report.Outcome Converged "outcome"
        Expect.isLessThanOrEqual (float report.Steps) (log reduction / log case.Norm + 2.0) "steps"

        if not (Double.IsNaN report.ContractionRate) then
            Expect.isLessThanOrEqual report.ContractionRate (case.Norm * 1.0001) "observed rate"

/// The bound on the distance to the fixed point is one, where q is the true constant or more.
let private errorEstimate case =
    // Scaled rotations contract every vector by exactly the same factor.
    let linear = { case with Bent = false }
    let map = Case.map linear (Case.stretching linear)
    let start = Case.start linear

    let truth =
        Solve.runIndexed (options (Broyden.scheme Broyden.defaults) 1e-12) map start

    let solution =
        Solve.runIndexed (options (Picard.scheme Picard.defaults) 1e-5) map start

    let image = map solution.State (torch.arange (int64 case.Batch))

    solution.Reports
    |> Array.iteri (fun sample report ->
        if report.Steps > 0 then
            let distance = norm (Case.single sample image - Case.single sample truth.State)
            Expect.isLessThanOrEqual distance (report.EmpiricalError * 1.001 + 1e-10) $"{report}")

let private unrolledTends case =
    let matrix, shift = Case.numbers case
    let start = Case.start case

    let solution =
        Solve.runIndexed (options (Broyden.scheme Broyden.defaults) 1e-12) (Case.map case (matrix, shift)) start

    // The gradient by b is the adjoint itself: the factor of each further application shows bare.
    let gradient (gradient: Gradient) =
        let shift = shift.detach().clone().requires_grad_()

        let attached =
            gradient.Attach (fun z -> Case.map case (matrix, shift) z (torch.arange (int64 case.Batch))) solution.State

        (attached.State * Case.weights case).sum().backward()
        shift.grad

    let exact =
        gradient (
            Gradient.implicit
                { Gradient.adjointDefaults with
                    Scheme = Broyden.scheme Broyden.defaults
                    Tolerance = Tolerance.relative 1e-12
                }
        )

    for k in [ 1; 2; 4; 8 ] do
        let bound = case.Norm ** float k * norm exact * 1.0001 + 1e-9
        Expect.isLessThanOrEqual (norm (gradient (Gradient.unrolled k) - exact)) bound $"unrolled {k}"
        Expect.isLessThanOrEqual (norm (gradient (Gradient.neumann k) - exact)) bound $"Neumann {k}"

let private andersonTerminates case =
    let linear = { case with Bent = false }
    let map = Case.map linear (Case.numbers linear)

    let solution =
        Solve.runIndexed
            { Solve.defaults with
                Scheme =
                    Anderson.scheme
                        { Anderson.defaults with
                            Window = case.Size
                        }
                Steps = case.Size + 2
                Tolerance = Tolerance.relative 1e-8
            }
            map
            (Case.start linear)

    for report in solution.Reports do
        Expect.equal report.Outcome Converged $"{report}"
        Expect.isLessThanOrEqual report.Evaluations (case.Size + 2) "evaluations"

let private batchIsOneByOne case =
    let map = Case.map case (Case.numbers case)
    let start = Case.start case

    for scheme in
        [
            Picard.scheme Picard.defaults
            Anderson.scheme Anderson.defaults
            Broyden.scheme Broyden.defaults
        ] do
        let together = Solve.runIndexed (options scheme 1e-6) map start

        for sample in 0 .. case.Batch - 1 do
            let alone state (_: torch.Tensor) =
                map state (torch.tensor [| int64 sample |])

            let single = Solve.runIndexed (options scheme 1e-6) alone (Case.single sample start)
            let report = together.Reports[sample]
            Expect.equal single.Reports[0].Outcome report.Outcome $"{scheme.Name}: outcome"
            Expect.equal single.Reports[0].Evaluations report.Evaluations $"{scheme.Name}: evaluations"

            Expect.isLessThanOrEqual
                (norm (single.State - Case.single sample together.State))
                1e-9
                $"{scheme.Name}: state"

/// A stretching map with a factor from 1.1 to 2.5.
let private expansive case =
    let linear =
        { case with
            Bent = false
            Norm = 1.1 + 2.8 * (case.Norm - 0.1)
        }

    linear, Case.map linear (Case.stretching linear)

let private picardIsNotFooled case =
    let case, map = expansive case
    let start = Case.start case

    // Chance can put a start within tolerance of the fixed point, where Picard rightly rests; 10 away the residual is 0.9 or more.
    let away =
        residuals map start
        |> Array.map (fun residual -> if residual < 0.1 then 10.0 else 0.0)

    let start = start + (torch.tensor away).unsqueeze 1

    for tolerance in [ Tolerance.relative 1e-3; Tolerance.absolute 1e-3 ] do
        let solution =
            Solve.runIndexed
                { options (Picard.scheme Picard.defaults) 1.0 with
                    Tolerance = tolerance
                    Steps = 300
                }
                map
                start

        for report in solution.Reports do
            Expect.equal report.Outcome Diverged $"{report}"
            Expect.isGreaterThan report.ContractionRate 1.0 "growth is seen"

let private convergedIsTrue case =
    let stretched, expanding = expansive case

    for map, start in
        [
            expanding, Case.start stretched
            Case.map case (Case.numbers case), Case.start case
        ] do
        for scheme in schemes do
            for bound in [ 1e-2; 1e-7 ] do
                let solution = Solve.runIndexed { options scheme bound with Steps = 25 } map start

                Array.iter2
                    (fun report measured ->
                        Expect.isTrue (Double.IsFinite measured) $"{scheme.Name}: the state is finite"

                        Expect.isLessThanOrEqual
                            (abs (report.Residual - measured))
                            (1e-9 * measured + 1e-13)
                            $"{scheme.Name}: the residual is the state's own: {report}"

                        if report.Outcome = Converged then
                            Expect.isLessThanOrEqual report.Residual bound $"{scheme.Name}: {report}")
                    solution.Reports
                    (residuals map solution.State)

let private finiteDifferences case =
    let matrix, shift = Case.numbers case
    let start, weights = Case.start case, Case.weights case
    let tight = options (Broyden.scheme Broyden.defaults) 1e-13

    let loss (matrix: torch.Tensor) (shift: torch.Tensor) =
        let solution =
            Solve.runIndexed { tight with Steps = 100 } (Case.map case (matrix, shift)) start

        (solution.State * weights).sum().item<float>()

    let leafs =
        matrix.detach().clone().requires_grad_(), shift.detach().clone().requires_grad_()

    let solution =
        Solve.runIndexed { tight with Steps = 100 } (Case.map case (matrix, shift)) start

    let attached =
        (Gradient.implicit
            { Gradient.adjointDefaults with
                Scheme = Broyden.scheme Broyden.defaults
                Tolerance = Tolerance.relative 1e-12
            })
            .Attach
            (fun z -> Case.map case leafs z (torch.arange (int64 case.Batch)))
            solution.State

    (attached.State * weights).sum().backward()

    // Along one random direction of both parameters.
    let direction = { case with Seed = case.Seed + 17 }
    let alongMatrix, alongShift = Case.numbers direction
    let h = 1e-5

    let numeric =
        let at step =
            loss (matrix + alongMatrix * (step: float).ToScalar()) (shift + alongShift * step.ToScalar())

        (at h - at -h) / (2.0 * h)

    let exact =
        ((fst leafs).grad * alongMatrix).sum().item<float>()
        + ((snd leafs).grad * alongShift).sum().item<float>()

    let size = norm (fst leafs).grad + norm (snd leafs).grad
    Expect.isLessThanOrEqual (abs (numeric - exact)) (1e-5 * size + 1e-7) $"numeric {numeric}, exact {exact}"

[<Tests>]
let tests =
    testList
        "properties"
        [
            check "every scheme reaches the same point" sameFixedPoint
            check "Picard's steps are bounded by log(tol)/log(rho) + 2" picardSteps
            check "the empirical error holds where q is the true constant" errorEstimate
            check "unrolled-k and Neumann-k tend to the implicit gradient like rho^k" unrolledTends
            check "Anderson ends on linear problems of dimension m within m + 2 evaluations" andersonTerminates
            check "a batch is its samples one by one" batchIsOneByOne
            check "Picard never converges on an expansive map" picardIsNotFooled

            testCase "nor does it from a start that chance puts beside the fixed point"
            <| fun () ->
                use _ = torch.NewDisposeScope()

                picardIsNotFooled
                    {
                        Seed = 417598
                        Batch = 2
                        Size = 1
                        Norm = 0.1
                        Bent = false
                    }

            check "converged means within tolerance, and every residual is the returned state's" convergedIsTrue
            check "implicit gradients agree with finite differences" finiteDifferences
        ]
