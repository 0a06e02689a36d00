namespace DeqDet.Checkpoints;

/// <summary>A list of tensors on the way to a model's own names (see <see cref="WeightNames"/>); each step takes something away.</summary>
internal sealed class WeightList(string path, IReadOnlyList<StoredTensor> stored)
{
    private readonly List<string> _leftOut = [];
    private readonly List<string> _notices = [];
    private List<Entry> _entries = [.. stored.Select(tensor => new Entry(tensor.Name, tensor))];

    private sealed record Entry(string Name, StoredTensor Tensor)
    {
        public bool StartsWith(string part) =>
            Name.Length > part.Length + 1
            && Name[part.Length] == '.'
            && Name.StartsWith(part, StringComparison.Ordinal);

        public bool StartsWithAny(IReadOnlyCollection<string> parts) => parts.Any(StartsWith);
    }

    /// <summary>The tensors under the names that are left.</summary>
    public NamedWeights ToWeights() =>
        new(
            [
                .. _entries.Select(entry =>
                    entry.Name == entry.Tensor.Name ? entry.Tensor : entry.Tensor.Renamed(entry.Name)
                ),
            ],
            _leftOut.Count == 0
                ? _notices
                : [$"the names are read without {string.Join(" and ", _leftOut)}", .. _notices]
        );

    /// <summary>Leaves parts out of the names, wherever they stand but at the end.</summary>
    public void LeaveOut(IReadOnlyCollection<string> parts)
    {
        foreach (var part in parts)
        {
            Rename(
                part,
                entry =>
                {
                    var texts = entry.Name.Split('.');
                    return string.Join('.', texts[..^1].Where(text => text != part).Append(texts[^1]));
                }
            );
        }
    }

    /// <summary>Leaves the first of these parts that names begin with out of all names that begin with it.</summary>
    /// <returns>Whether there was one.</returns>
    public bool Strip(IReadOnlyCollection<string> parts) =>
        parts.Any(part => Rename(part, entry => entry.StartsWith(part) ? entry.Name[(part.Length + 1)..] : entry.Name));

    /// <summary>Where names tell two networks apart, keeps one of them.</summary>
    /// <param name="trained">What the names of the trained one begin with; none of these: those without either.</param>
    /// <param name="averages">What the names of its average begin with.</param>
    /// <param name="averaged">Which is wanted.</param>
    /// <returns>Whether names told something apart.</returns>
    public bool KeepOne(IReadOnlyCollection<string> trained, IReadOnlyCollection<string> averages, bool averaged)
    {
        var average = _entries.Where(entry => entry.StartsWithAny(averages)).ToList();
        var own = _entries.Where(entry => entry.StartsWithAny(trained)).ToList();
        if (average.Count + own.Count == 0 || (averaged && average.Count == 0))
        {
            return false;
        }
        var rest = _entries.Except(average).Except(own).ToList();
        var kept =
            averaged ? average
            : own.Count > 0 ? own
            : rest.Count > 0 ? rest
            : average;
        var aside = _entries.Except(kept).Select(entry => entry.Name).ToList();
        if (aside.Count > 0)
        {
            _notices.Add($"left aside: {WeightNames.Summary(aside)}");
        }
        _entries = kept;
        HasAverages |= averaged;
        return Strip([.. averages, .. trained]) || aside.Count > 0;
    }

    /// <summary>Whether averages that were wanted have been found.</summary>
    public bool HasAverages { get; private set; }

    /// <summary>Drops single numbers of these names.</summary>
    public void Drop(IReadOnlyCollection<string> names) =>
        _entries = [.. _entries.Where(entry => entry.Tensor.ElementCount != 1 || !names.Contains(entry.Name))];

    /// <summary>
    /// Separates averages that are kept as buffers of the model itself: for a tensor <c>a.b.c</c> one of the name
    /// <paramref name="prefix"/><c>a_b_c</c>. Either they are left aside or they take the places of the others.
    /// </summary>
    public void Buffers(string prefix, bool averaged)
    {
        var flat = _entries.ToLookup(entry => entry.Name.Replace('.', '_'));
        var buffers = _entries
            .Where(entry => entry.Name.StartsWith(prefix, StringComparison.Ordinal) && !entry.Name.Contains('.'))
            .Where(entry => flat.Contains(entry.Name[prefix.Length..]))
            .ToList();
        if (buffers.Count == 0)
        {
            return;
        }
        var such = $"{buffers.Count} averaged {(buffers.Count == 1 ? "tensor" : "tensors")} such as {buffers[0].Name}";
        _entries = [.. _entries.Except(buffers)];
        if (!averaged)
        {
            _notices.Add($"left aside: {such}; --ema takes them");
            return;
        }
        var average = buffers.ToDictionary(entry => entry.Name[prefix.Length..], entry => entry.Tensor);
        foreach (var same in _entries.GroupBy(entry => entry.Name.Replace('.', '_')))
        {
            if (same.Count() > 1 && average.ContainsKey(same.Key))
            {
                throw new CheckpointError(
                    path,
                    $"its averaged tensor {prefix}{same.Key} could belong to {string.Join(" or to ", same.Select(entry => entry.Name))}"
                );
            }
        }
        HasAverages = true;
        _notices.Add(
            $"taken: {such}; mmcv exchanges both lists at the end of an epoch, so that a file it saved there has the averages under the plain names, without --ema"
        );
        _entries =
        [
            .. _entries.Select(entry =>
                average.TryGetValue(entry.Name.Replace('.', '_'), out var tensor)
                    ? entry with
                    {
                        Tensor = tensor,
                    }
                    : entry
            ),
        ];
    }

    private bool Rename(string part, Func<Entry, string> shorten)
    {
        var shortened = _entries.Select(entry => entry with { Name = shorten(entry) }).ToList();
        var changed = shortened.Zip(_entries).Where(pair => pair.First.Name != pair.Second.Name).ToList();
        if (changed.Count == 0)
        {
            return false;
        }
        var same = shortened
            .GroupBy(entry => entry.Name, StringComparer.Ordinal)
            .Where(group => group.Count() > 1)
            .ToList();
        if (same.Count == 0)
        {
            _leftOut.Add(
                changed.Count == _entries.Count ? $"'{part}.'" : $"'{part}.' ({changed.Count} of {_entries.Count})"
            );
            _entries = shortened;
            return true;
        }
        if (same.Count == changed.Count)
        {
            var (without, with) = changed[0];
            throw new CheckpointError(
                path,
                $"has two lists of weights that both fit, with '{part}.' in the names and without it, such as '{with.Name}' and '{without.Name}'; save one of them alone"
            );
        }
        // Some names of the model itself begin like that.
        return false;
    }
}
