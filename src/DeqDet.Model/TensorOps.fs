namespace DeqDet.Model

open System
open System.Runtime.CompilerServices
open TorchSharp

/// A number in an operation with tensors. TorchSharp hands a Scalar's native copy on without holding the Scalar, which may be collected
/// meanwhile: the operation then raises, or computes with whatever lies there. Here it is held until the operation has returned.
[<Struct>]
type Number =
    {
        Value: float
    }

    /// Runs an operation that TorchSharp has for its Scalar.
    member number.In(operation: Scalar -> torch.Tensor) : torch.Tensor =
        let scalar = number.Value.ToScalar()
        let result = operation scalar
        GC.KeepAlive scalar
        result

    static member (+)(tensor: torch.Tensor, number: Number) : torch.Tensor =
        number.In(fun scalar -> tensor + scalar)

    static member (-)(tensor: torch.Tensor, number: Number) : torch.Tensor =
        number.In(fun scalar -> tensor - scalar)

    static member (-)(number: Number, tensor: torch.Tensor) : torch.Tensor =
        number.In(fun scalar -> scalar - tensor)

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

    /// Numbers as a tensor of the type of another one, on its device.
    let constants (like: Tensor) (values: float[]) : Tensor =
        torch.tensor (values, dtype = like.dtype) |> onDevice like.device

    /// y + x, in the place of y where no gradients are recorded.
    let plus (x: Tensor) (y: Tensor) : Tensor =
        if torch.is_grad_enabled () then y + x else y.add_ x

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
