namespace DeqDet.Model

open System.Runtime.CompilerServices
open TorchSharp

/// TorchSharp hands a Scalar's native copy on without holding the Scalar, which may be collected meanwhile: the operation then raises, or computes
/// with whatever lies there. Scalars are held here until the operation has returned, those that TorchSharp makes by itself included: the factor 1
/// of the right-hand side of every sum, and the ends of a range.
module internal Scalars =

    /// With 1, as TorchSharp's sums have it.
    let one (operation: Scalar -> torch.Tensor) : torch.Tensor =
        use one = (1).ToScalar()
        operation one

/// A number in an operation with tensors, held until that has returned.
[<Struct>]
type Number =
    {
        Value: float
    }

    /// Runs an operation that TorchSharp has for its Scalar.
    member number.In(operation: Scalar -> torch.Tensor) : torch.Tensor =
        use scalar = number.Value.ToScalar()
        operation scalar

    static member (+)(tensor: torch.Tensor, number: Number) : torch.Tensor =
        number.In(fun scalar -> Scalars.one (fun one -> tensor.add (scalar, one)))

    static member (-)(tensor: torch.Tensor, number: Number) : torch.Tensor =
        number.In(fun scalar -> tensor - scalar)

    static member (-)(number: Number, tensor: torch.Tensor) : torch.Tensor =
        number.In(fun scalar -> Scalars.one (fun one -> tensor.negative().add(scalar, one)))

    static member (*)(tensor: torch.Tensor, number: Number) : torch.Tensor =
        number.In(fun scalar -> tensor * scalar)

    static member (/)(tensor: torch.Tensor, number: Number) : torch.Tensor =
        number.In(fun scalar -> tensor / scalar)

/// TorchSharp's operations that take a Scalar, with a number in its place.
[<Extension; AbstractClass; Sealed>]
type NumberOperations =

    /// The larger one of each element and the number.
    [<Extension>]
    static member clamp_min(tensor: torch.Tensor, number: Number) : torch.Tensor =
        number.In(fun scalar -> tensor.clamp_min scalar)

    /// Each element to the power of the number.
    [<Extension>]
    static member pow(tensor: torch.Tensor, number: Number) : torch.Tensor =
        number.In(fun scalar -> tensor.pow scalar)

    /// Multiplies every element by the number, in place.
    [<Extension>]
    static member mul_(tensor: torch.Tensor, number: Number) : torch.Tensor =
        number.In(fun scalar -> tensor.mul_ scalar)

    /// Adds the number to every element, in place.
    [<Extension>]
    static member add_(tensor: torch.Tensor, number: Number) : torch.Tensor =
        number.In(fun scalar -> Scalars.one (fun one -> tensor.add_ (scalar, one)))

    /// Adds number * x, in place.
    [<Extension>]
    static member add_(tensor: torch.Tensor, x: torch.Tensor, number: Number) : torch.Tensor =
        number.In(fun scalar -> tensor.add_ (x, scalar))

    /// Adds number * x * y, in place.
    [<Extension>]
    static member addcmul_(tensor: torch.Tensor, x: torch.Tensor, y: torch.Tensor, number: Number) : torch.Tensor =
        number.In(fun scalar -> tensor.addcmul_ (x, y, scalar))

    /// Adds number * x / y, in place.
    [<Extension>]
    static member addcdiv_(tensor: torch.Tensor, x: torch.Tensor, y: torch.Tensor, number: Number) : torch.Tensor =
        number.In(fun scalar -> tensor.addcdiv_ (x, y, scalar))

    /// Sets every element to the number.
    [<Extension>]
    static member fill_(tensor: torch.Tensor, number: Number) : torch.Tensor =
        number.In(fun scalar -> tensor.fill_ scalar)

    /// The tensor, with the number where the mask is true.
    [<Extension>]
    static member masked_fill(tensor: torch.Tensor, mask: torch.Tensor, number: Number) : torch.Tensor =
        number.In(fun scalar -> tensor.masked_fill (mask, scalar))

/// Small helpers for tensors in F#.
[<AutoOpen>]
module TensorOps =

    type Tensor = torch.Tensor

    /// A number to compute with: `x * scalar 0.5`.
    let scalar (value: float) : Number = { Value = value }

    /// A tensor on a device. To a GPU from pinned memory, so that nobody waits for the copy; libtorch keeps the pinned memory until that is done, and
    /// reuses it.
    let onDevice (device: torch.Device) (tensor: Tensor) : Tensor =
        if device.``type`` = DeviceType.CUDA then
            tensor.pin_memory().``to``(device, non_blocking = true)
        elif device.``type`` = tensor.device_type then
            tensor
        else
            tensor.``to`` device

    /// The only number of a tensor of whatever type. TorchSharp's ToDouble makes a Scalar that it does not hold.
    let numberOf (tensor: Tensor) : float =
        use _ = torch.NewDisposeScope()
        tensor.to_type(torch.float64).item<float>()

    /// Numbers as a tensor of the type of another one, on its device.
    let constants (like: Tensor) (values: float[]) : Tensor =
        torch.tensor (values, dtype = like.dtype) |> onDevice like.device

    /// a + b, where TorchSharp's own + may lose the Scalar of 1 that it makes.
    let (.+) (a: Tensor) (b: Tensor) : Tensor = Scalars.one (fun one -> a.add (b, one))

    /// Adds x to y, in the place of y.
    let addTo (y: Tensor) (x: Tensor) : Tensor =
        Scalars.one (fun one -> y.add_ (x, one))

    /// y + x, in the place of y where no gradients are recorded.
    let plus (x: Tensor) (y: Tensor) : Tensor =
        if torch.is_grad_enabled () then y .+ x else addTo y x

    /// Applies functions one after the other; what lies between is freed as soon as it has been read.
    let inTurn (steps: (Tensor -> Tensor) list) (x: Tensor) : Tensor =
        let next (current: Tensor) step =
            let result = step current

            if not (obj.ReferenceEquals(current, x) || obj.ReferenceEquals(current, result)) then
                current.Dispose()

            result

        List.fold next x steps

    /// Runs f in a dispose scope of its own and keeps only the tensors that `keep` names in its result.
    let scoped (keep: 'result -> Tensor seq) (f: unit -> 'result) : 'result =
        use scope = torch.NewDisposeScope()
        let result = f ()

        for tensor in keep result do
            tensor.MoveToOuterDisposeScope() |> ignore

        result
