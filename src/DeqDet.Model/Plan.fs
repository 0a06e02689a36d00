namespace DeqDet.Model

open DeqDet.Solver

/// One application with gradients whose result is supervised.
type SupervisedStage =
    {
        /// Prefix of its loss names, as in the reference's logs.
        Name: string
        /// Which head is applied.
        Head: int
        Weight: float
    }

/// Which states of one training step are supervised, as a value.
type Plan =
    {
        /// Applications one after the other from the initial queries, gradients flowing through the contents all the way.
        Chain: SupervisedStage list
        /// Steps of the gradient-free path that starts at the chain's first result; 0 for models without equilibrium.
        Steps: int
        /// Refinement-aware gradient: after these steps of the path a state is supervised, with a gradient through the further
        /// applications that `Gradient` makes.
        Rag: (int * SupervisedStage) list
        Gradient: Gradient
        /// Back-propagate each supervised step of the path at once, so that memory does not grow with their number.
        Immediate: bool
    }

module Plan =

    /// The adjoint equation in training: gradients of one batch need no more digits than its noise has.
    let private adjoint: SolveOptions =
        { Gradient.adjointDefaults with
            Tolerance = Tolerance.relative 1e-3
            Steps = 30
        }

    let private gradient (rag: RagSettings) : Gradient =
        match rag.Gradient with
        | RagGradient -> Gradient.unrolled rag.Unroll
        | JfbGradient -> Gradient.oneStep
        | PhantomGradient -> Gradient.phantom rag.Unroll rag.PhantomDamping
        | ImplicitGradient -> Gradient.implicit adjoint

    let private stage name head weight : SupervisedStage =
        {
            Name = name
            Head = head
            Weight = weight
        }

    /// Official training of an equilibrium model: the init head (head 0), a few unrolled applications of the refinement head (head 1),
    /// and states along the path.
    let equilibrium (settings: DetectorSettings) : Plan =
        let rag = settings.Rag

        {
            Chain = stage "init_" 0 1.0 :: [ for i in 1 .. rag.Extra -> stage $"init^{i}_" 1 1.0 ]
            Steps = settings.Solver.Steps
            Rag =
                [
                    for i, step in List.indexed rag.Supervised do
                        // the fixed-point correction of Bai et al. (CVPR 2022, "Deep equilibrium optical flow estimation")
                        let later = rag.Supervised.Length - 1 - i
                        step, stage $"iter{step}_" 1 (pown rag.Discount later)
                ]
            Gradient = gradient rag
            Immediate = rag.Immediate
        }

    /// Official training of unshared stages: each one is supervised with its weight. `name` gives the prefix of a stage's loss names.
    let stages (name: int -> string) (settings: DetectorSettings) : Plan =
        let weight i =
            settings.Head.StageWeights |> List.tryItem i |> Option.defaultValue 1.0

        {
            Chain = [ for i in 0 .. settings.Head.Stages - 1 -> stage (name i) i (weight i) ]
            Steps = 0
            Rag = []
            Gradient = Gradient.oneStep
            Immediate = false
        }
