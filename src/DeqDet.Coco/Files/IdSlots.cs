using DeqDet.Coco.Evaluation;

namespace DeqDet.Coco;

/// <summary>
/// Numbers the ids of a list as they come, whether they are listed or only named by a box, so that a box holds a number and not an id.
/// </summary>
internal sealed class IdSlots
{
    private const int Unlisted = -1;

    private readonly Dictionary<CocoId, int> slots = [];
    private readonly Column<CocoId> ids = new();
    private readonly Column<int> positions = new();
    private int last = -1;

    /// <summary>The ids that are listed.</summary>
    public IEnumerable<CocoId> Listed => slots.Where(entry => PositionOf(entry.Value) >= 0).Select(entry => entry.Key);

    /// <summary>Lists an id at a position; false if it is listed already.</summary>
    public bool List(CocoId id, int position)
    {
        var slot = Of(id);
        if (PositionOf(slot) >= 0)
        {
            return false;
        }

        positions.AsSpan()[slot] = position;
        return true;
    }

    /// <summary>The slot of an id.</summary>
    public int Of(CocoId id)
    {
        // Boxes of an image mostly stand together.
        if (last >= 0 && ids.AsSpan()[last] == id)
        {
            return last;
        }

        if (!slots.TryGetValue(id, out last))
        {
            last = ids.Count;
            slots.Add(id, last);
            ids.Add(id);
            positions.Add(Unlisted);
        }

        return last;
    }

    /// <summary>The id of a slot.</summary>
    public CocoId IdOf(int slot) => ids.AsSpan()[slot];

    /// <summary>Where the id of a slot is listed, or a negative number.</summary>
    public int PositionOf(int slot) => positions.AsSpan()[slot];
}
