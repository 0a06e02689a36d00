namespace DeqDet.Model

open System
open TorchSharp
open DeqDet.Kernels

/// What a tensor of a checkpoint is to the model.
type Role =
    /// Learned by the optimiser unless frozen.
    | Parameter
    /// Stored statistics of a batch normalisation: never differentiated.
    | Buffer

/// Initial value of a weight.
type Initialiser =
    | Constant of float
    /// U(low, high).
    | Uniform of low: float * high: float
    /// N(0, deviation^2).
    | Normal of deviation: float
    /// Glorot and Bengio 2010: U(-a, a), a = sqrt(6 / (fanIn + fanOut)).
    | XavierUniform
    /// He et al. 2015 for ReLU, by fan-out: N(0, 2 / fanOut).
    | KaimingNormal
    /// Given numbers, row-major.
    | Values of float32[]
    /// Sampling offsets (dx, dy, dz) of n points: dx, dy ~ U(-.5, .5), dz = -1.
    | Offset of points: int

/// One tensor of a model: its official name, shape, role and initial value.
type Spec =
    {
        Name: string
        Shape: int64[]
        Role: Role
        /// False for the frozen part of a backbone and for fixed embeddings.
        Trainable: bool
        Initialiser: Initialiser
        /// int64 for counters and index tables, float32 otherwise.
        Integer: bool
    }

/// Where the weights of a record come from. A layer's constructor asks it for each tensor by name and shape, so that one
/// definition serves initialising, loading, listing and counting.
type WeightSource =
    {
        Prefix: string
        Trainable: bool
        /// How layers are to compute.
        Computation: Computation
        /// Takes what a layer keeps beside its weights, to be disposed of with them.
        Own: IDisposable -> unit
        Take: Spec -> torch.Tensor
    }

module WeightSource =

    /// The same source one level deeper: names below get `name.` in front.
    let at (name: string) (source: WeightSource) =
        { source with
            Prefix = source.Prefix + name + "."
        }

    /// The same source, its parameters frozen.
    let freeze (source: WeightSource) = { source with Trainable = false }

    let private take role trainable integer name shape initialiser (source: WeightSource) =
        source.Take
            {
                Name = source.Prefix + name
                Shape = shape
                Role = role
                Trainable = trainable
                Initialiser = initialiser
                Integer = integer
            }

    /// A parameter of the given shape.
    let parameter name (shape: int list) initialiser (source: WeightSource) =
        take Parameter source.Trainable false name [| for s in shape -> int64 s |] initialiser source

    /// A tensor that is carried along but has no gradient.
    let buffer name (shape: int list) initialiser (source: WeightSource) =
        take Buffer false false name [| for s in shape -> int64 s |] initialiser source

    /// What a linear layer keeps to be computed fast.
    let packing (source: WeightSource) : PackedLinear =
        let packing = new PackedLinear(source.Computation)
        source.Own packing
        packing

    /// What a convolution keeps to be computed fast.
    let convolutionPacking (groups: int) (stride: int) (padding: int) (source: WeightSource) : PackedConvolution =
        let packing = new PackedConvolution(source.Computation, stride, padding, groups)
        source.Own packing
        packing

    /// Every tensor a recipe asks for, in its order, nothing allocated.
    let list (recipe: WeightSource -> 'weights) : Spec list =
        let specs = ResizeArray()

        recipe
            {
                Prefix = ""
                Trainable = true
                Computation = Computation.Plain
                Own = ignore
                Take =
                    fun spec ->
                        specs.Add spec
                        null
            }
        |> ignore

        List.ofSeq specs

    /// Builds the record of a recipe from tensors found by spec, to compute in a given way; what layers keep beside their weights is handed
    /// to `own`.
    let buildFor
        (computation: Computation)
        (own: IDisposable -> unit)
        (find: Spec -> torch.Tensor)
        (recipe: WeightSource -> 'weights)
        : 'weights =
        recipe
            {
                Prefix = ""
                Trainable = true
                Computation = computation
                Own = own
                Take = find
            }

    /// The same for the best computation of this machine; what layers keep is left to the garbage collector.
    let build (find: Spec -> torch.Tensor) (recipe: WeightSource -> 'weights) : 'weights =
        buildFor Computation.Best ignore find recipe

module Initialiser =

    /// Inputs and outputs of one unit: linear [out, in], convolution [out, in, kh, kw].
    let private fans (shape: int64[]) =
        match shape.Length with
        | 0
        | 1 -> 1L, 1L
        | _ ->
            let field = Array.fold (*) 1L shape[2..]
            shape[1] * field, shape[0] * field

    /// A new tensor on the CPU, drawn from the generator where the initialiser is random. float32, or int64 for integer specs.
    let draw (generator: torch.Generator) (spec: Spec) : torch.Tensor =
        use _ = torch.no_grad ()

        let empty () =
            torch.empty (spec.Shape, dtype = torch.float32)

        let uniform (low: float) (high: float) =
            empty().uniform_(low, high, generator = generator)

        let normal (deviation: float) =
            empty().normal_(0.0, deviation, generator = generator)

        let fanIn, fanOut = fans spec.Shape

        let value =
            match spec.Initialiser with
            | Constant c -> (empty ()).fill_(scalar c)
            | Uniform(low, high) -> uniform low high
            | Normal deviation -> normal deviation
            | XavierUniform ->
                let a = sqrt (6.0 / float (fanIn + fanOut))
                uniform -a a
            | KaimingNormal -> normal (sqrt (2.0 / float fanOut))
            | Values values -> torch.tensor(values).reshape(spec.Shape)
            | Offset points ->
                let offsets = uniform -0.5 0.5
                offsets.view(int64 points, 3L).select(1, 2L).fill_(scalar -1.0) |> ignore
                offsets

        if spec.Integer then value.``to`` torch.int64 else value
