namespace DeqDet

/// A class of objects. Its label, the position among the outputs of a model, is its place in a list of classes.
type ObjectClass =
    {
        /// Its id in annotation files and results.
        Id: CocoId
        /// Its name, for people.
        Name: string
    }
