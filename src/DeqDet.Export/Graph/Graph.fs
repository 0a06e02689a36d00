namespace DeqDet.Export

open System
open System.Collections.Generic
open System.Globalization
open System.Runtime.InteropServices
open TorchSharp
open DeqDet.Checkpoints
open DeqDet.Checkpoints.Onnx

/// A tensor of the graph: an input, an initialiser or the result of an operation.
type Value =
    {
        Name: string
        Type: ElementType
        /// Its sizes, -1 where they are known only when the graph runs.
        Shape: int64 list
    }

/// A graph in the making.
type Graph =
    {
        Form: Form
        /// Each after those whose results it reads.
        Operations: ResizeArray<OnnxOperation>
        /// Of the whole model, bodies of loops included; by name.
        Initialisers: Dictionary<string, Value * TensorToWrite>
        /// How often a name was taken.
        Taken: Dictionary<string, int>
        /// Official names of the weights.
        Weights: IReadOnlyDictionary<torch.Tensor, string>
        /// Where in the model the next operations belong, such as `decoder/head1/`.
        Path: string
    }

module Graph =

    /// An empty graph for a model with weights of these names.
    let create (form: Form) (weights: (string * torch.Tensor) seq) : Graph =
        let names = Dictionary<torch.Tensor, string>(HashIdentity.Reference)

        for name, tensor in weights do
            names[tensor] <- name

        {
            Form = form
            Operations = ResizeArray()
            Initialisers = Dictionary()
            Taken = Dictionary()
            Weights = names
            Path = ""
        }

    /// The same graph; what is added through it belongs to a part of the model.
    let within (part: string) (graph: Graph) : Graph =
        { graph with
            Path = graph.Path + part + "/"
        }

    /// A graph inside, which sees the values of this one and shares its initialisers.
    let body (part: string) (graph: Graph) : Graph =
        { within part graph with
            Operations = ResizeArray()
        }

    /// A name that nobody has yet.
    let private fresh (graph: Graph) (wanted: string) : string =
        match graph.Taken.TryGetValue wanted with
        | true, count ->
            graph.Taken[wanted] <- count + 1
            $"{wanted}_{count}"
        | _ ->
            graph.Taken[wanted] <- 1
            wanted

    /// An input of the graph, or of a body.
    let input (name: string) (kind: ElementType) (shape: int64 list) (graph: Graph) : Value =
        {
            Name = fresh graph (graph.Path + name)
            Type = kind
            Shape = shape
        }

    /// Adds an operation with several results, of these types and shapes.
    let addMany
        (operator: string)
        (attributes: OnnxAttribute list)
        (results: (ElementType * int64 list) list)
        (inputs: string list)
        (graph: Graph)
        : Value list =
        let name = fresh graph (graph.Path + operator)

        let outputs =
            [
                for i, (kind, shape) in List.indexed results ->
                    {
                        Name = $"{name}.{i}"
                        Type = kind
                        Shape = shape
                    }
            ]

        graph.Operations.Add(
            OnnxOperation(
                name,
                operator,
                Array.ofList inputs,
                [| for output in outputs -> output.Name |],
                Array.ofList attributes
            )
        )

        outputs

    /// Adds an operation.
    let add operator attributes kind shape (inputs: Value list) (graph: Graph) : Value =
        addMany operator attributes [ kind, shape ] [ for input in inputs -> input.Name ] graph
        |> List.head

    /// A value under a name of its own, such as a result of the whole graph.
    let named (name: string) (value: Value) (graph: Graph) : Value =
        graph.Operations.Add(OnnxOperation($"{name}/Identity", "Identity", [| value.Name |], [| name |], [||]))
        { value with Name = name }

    let private initialiser name kind (shape: int64 list) (write: IO.Stream -> unit) (graph: Graph) : Value =
        match graph.Initialisers.TryGetValue name with
        | true, (value, _) -> value
        | _ ->
            let value =
                {
                    Name = name
                    Type = kind
                    Shape = shape
                }

            graph.Initialisers[name] <- (value, TensorToWrite(name, kind, Array.ofList shape, Action<_> write))
            value

    let private bytes (numbers: 'number[]) =
        MemoryMarshal.AsBytes(ReadOnlySpan numbers).ToArray()

    // constants have their numbers in their names, so that equal ones are one
    let private text (numbers: 'number seq) (shape: int64 list) =
        let numbers =
            numbers
            |> Seq.map (fun number -> Convert.ToString(box number, CultureInfo.InvariantCulture))
            |> String.concat ","

        let shape = shape |> List.map string |> String.concat "x"
        $"[{numbers}]({shape})"

    /// Real numbers of a shape.
    let reals (numbers: float32[]) (shape: int64 list) (graph: Graph) : Value =
        let content = bytes numbers
        initialiser $"constant/real{text numbers shape}" ElementType.Float32 shape _.Write(content) graph

    /// Many equal real numbers, under a name that says which.
    let filled (name: string) (numbers: float32[]) (shape: int64 list) (graph: Graph) : Value =
        let content = bytes numbers
        initialiser $"constant/{name}" ElementType.Float32 shape _.Write(content) graph

    /// A real number.
    let real (number: float) (graph: Graph) : Value = reals [| float32 number |] [] graph

    /// Whole numbers, one after the other.
    let integers (numbers: int64 list) (graph: Graph) : Value =
        let content = bytes (Array.ofList numbers)
        let shape = [ int64 numbers.Length ]
        initialiser $"constant/integer{text numbers shape}" ElementType.Int64 shape _.Write(content) graph

    /// A whole number without axes.
    let integer (number: int64) (graph: Graph) : Value =
        let content = bytes [| number |]
        initialiser $"constant/integer{text [ number ] []}" ElementType.Int64 [] _.Write(content) graph

    /// True or false, without axes.
    let truth (value: bool) (graph: Graph) : Value =
        let content = [| if value then 1uy else 0uy |]
        initialiser $"constant/{value}" ElementType.Bool [] _.Write(content) graph

    /// A tensor that is made from one of the model's weights, once however often it is asked for; `derivation` says how, empty where it is the weight
    /// itself. It lives until the file is written.
    let weight (derivation: string) (make: torch.Tensor -> torch.Tensor) (source: torch.Tensor) (graph: Graph) : Value =
        let official =
            match graph.Weights.TryGetValue source with
            | true, name -> name
            | _ -> invalidArg (nameof source) "is none of the model's weights"

        let name =
            if derivation = "" then
                official
            else
                $"{official}.{derivation}"

        match graph.Initialisers.TryGetValue name with
        | true, (value, _) -> value
        | _ ->
            let made =
                use _ = torch.no_grad ()
                use scope = torch.NewDisposeScope()
                (make source).contiguous().MoveToOuterDisposeScope()

            let written = Tensors.ToWrite(name, made)

            let value =
                {
                    Name = name
                    Type = written.Type
                    Shape = List.ofArray made.shape
                }

            graph.Initialisers[name] <- (value, written)
            value

    let private size (free: string) (size: int64) =
        if size >= 0L then
            OnnxSize(Nullable size, null)
        else
            OnnxSize(Nullable(), free)

    /// How a value is described where it enters or leaves a graph: names of its free sizes, in order, and what it is.
    let described (free: string list) (description: string) (value: Value) : OnnxValue =
        let mutable free = free

        let shape =
            [|
                for one in value.Shape ->
                    if one >= 0L then
                        size "" one
                    else
                        let name = List.tryHead free |> Option.toObj
                        free <- (if free.IsEmpty then [] else List.tail free)
                        size name one
            |]

        OnnxValue(value.Name, value.Type, shape, description)

    /// The graph of a body with these inputs and outputs.
    let close (name: string) (inputs: Value list) (outputs: Value list) (graph: Graph) : OnnxGraph =
        OnnxGraph(
            name,
            graph.Operations,
            [||],
            [| for value in inputs -> described [] "" value |],
            [| for value in outputs -> described [] "" value |]
        )
