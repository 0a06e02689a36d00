namespace DeqDet.Solver

open System.Collections.Generic
open TorchSharp

/// Functions of one's own in the way of a gradient.
module Detour =

    /// The identity, whose backward pass sends the gradient through a function of the caller's.
    type private Identity() =
        inherit torch.autograd.SingleTensorFunction<Identity>()

        override _.Name = "Detour"

        override _.forward(context, arguments) =
            context.save_data ("way", arguments[1])
            (arguments[0] :?> torch.Tensor).alias()

        override _.backward(context, gradient) =
            let way = context.get_data "way" :?> (torch.Tensor -> torch.Tensor)
            let gradients = List<torch.Tensor>()
            gradients.Add(way gradient)
            gradients.Add null
            gradients

    /// `tensor` itself, but a gradient that comes back is first sent through `way` (same shape). Where `way` raises,
    /// `failed` is told and the gradient passes unchanged: an exception out of here would end the process.
    let through (way: torch.Tensor -> torch.Tensor) (failed: exn -> unit) (tensor: torch.Tensor) : torch.Tensor =
        let safe (gradient: torch.Tensor) =
            try
                use scope = torch.NewDisposeScope()
                use _ = torch.no_grad ()
                let changed = way gradient

                if not (Native.sameShape changed gradient) then
                    invalidOp "the backward function changed the shape of the gradient"

                changed.alias().MoveToOuterDisposeScope()
            with error ->
                failed error
                gradient.alias ()

        Identity.apply (tensor, safe)
