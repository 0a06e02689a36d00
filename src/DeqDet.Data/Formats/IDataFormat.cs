namespace DeqDet.Data.Formats;

/// <summary>A format of data sets, as it is recognised in a folder.</summary>
internal interface IDataFormat
{
    /// <summary>Its name.</summary>
    string Name { get; }

    /// <summary>What it is recognised by, for messages.</summary>
    string LookedFor { get; }

    /// <summary>Looks for it in a folder; images and labels are not read.</summary>
    /// <param name="root">The folder, a full path.</param>
    Finding Find(string root);
}
