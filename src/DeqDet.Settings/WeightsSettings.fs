namespace DeqDet.Settings

open DeqDet

/// A class that a checkpoint and the data call by different names.
type ClassRename =
    {
        [<Setting "Name of a class in the checkpoint.">]
        Old: string
        [<Setting "Name of the class in the data that takes over its weights.">]
        New: string
    }

    /// It names nothing yet.
    static member Default = { Old = ""; New = "" }

/// What training starts from.
type WeightsSettings =
    {
        [<Setting "Checkpoint of a whole detector to start training from: a file, ours or an official one, a work folder, or `signs`, a decoder that comes with the program (docs/checkpoints.md); `--from CHECKPOINT` sets it. Its class layers are taken class by class, by name. A decoder alone leaves the backbone to backbone.weights. null: random weights, and the backbone's of backbone.weights.">]
        Load: string option
        [<Setting "Classes that the checkpoint and the data call by different names. Names that differ only in case, spaces, hyphens and underscores find each other without.">]
        Rename: ClassRename list
    }
