using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace DeqDet.Data.Splitting;

/// <summary>Images that stay together.</summary>
/// <param name="Name">Their name; those of all items differ.</param>
/// <param name="Images">How many they are.</param>
/// <param name="Boxes">How many boxes they have of each class.</param>
public sealed record SplitItem(string Name, int Images, IReadOnlyDictionary<int, int> Boxes);

/// <summary>
/// Distributes items over parts of given shares so that every class has its share of boxes in every part, as nearly as that is possible: the
/// rarest classes first, as Sechidis, Tsoumakas and Vlahavas (2011) do it, then by exchanges of two items as long as one of them helps.
/// </summary>
public static class Stratification
{
    // Exchanges that are looked at: enough for some thousand images, and a bound for a hundred thousand.
    private const long MostExchanges = 20_000_000;

    /// <summary>The part of each item. It does not depend on the order of the items, only on their names, contents and the seed.</summary>
    /// <param name="items">The items.</param>
    /// <param name="shares">The parts' shares of the images, above 0 and 1 together.</param>
    /// <param name="seed">Seed of the draw.</param>
    public static int[] Assign(IReadOnlyList<SplitItem> items, IReadOnlyList<double> shares, long seed)
    {
        var order = Order(items, seed);
        var sorted = order.Select(i => items[i]).ToList();
        var state = new State(sorted, shares);
        state.Distribute();
        state.Exchange(MostExchanges);
        var parts = new int[items.Count];
        for (var i = 0; i < order.Length; i++)
        {
            parts[order[i]] = state.Part[i];
        }

        return parts;
    }

    /// <summary>
    /// How far a distribution is from the shares: over parts and classes, the sum of the squares of what a part has too much or too little of
    /// a class, as a share of all its boxes.
    /// </summary>
    public static double Cost(IReadOnlyList<SplitItem> items, IReadOnlyList<double> shares, IReadOnlyList<int> parts)
    {
        var cost = 0.0;
        foreach (var label in items.SelectMany(item => item.Boxes.Keys).Distinct())
        {
            var all = items.Sum(item => (double)item.Boxes.GetValueOrDefault(label));
            for (var part = 0; part < shares.Count && all > 0; part++)
            {
                var there = items.Where((_, i) => parts[i] == part).Sum(item => item.Boxes.GetValueOrDefault(label));
                var beyond = (there / all) - shares[part];
                cost += beyond * beyond;
            }
        }

        return cost;
    }

    /// <summary>The number of images that each part is to have: its share, rounded so that all images are in a part, and at least one.</summary>
    public static int[] Targets(int images, IReadOnlyList<double> shares)
    {
        var targets = shares.Select(share => Math.Max(images >= shares.Count ? 1 : 0, (int)(share * images))).ToArray();
        // what is left goes where most was cut off
        while (targets.Sum() != images)
        {
            var missing = images - targets.Sum();
            var part = Enumerable
                .Range(0, targets.Length)
                .Where(i => missing > 0 || targets[i] > 1)
                .OrderByDescending(i => Math.Sign(missing) * ((shares[i] * images) - targets[i]))
                .First();
            targets[part] += Math.Sign(missing);
        }

        return targets;
    }

    private static int[] Order(IReadOnlyList<SplitItem> items, long seed)
    {
        Span<byte> start = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(start, seed);
        var keys = new string[items.Count];
        for (var i = 0; i < keys.Length; i++)
        {
            keys[i] = Convert.ToHexString(SHA256.HashData([.. start, .. Encoding.UTF8.GetBytes(items[i].Name)]));
        }

        var order = Enumerable.Range(0, keys.Length).ToArray();
        Array.Sort(keys, order, StringComparer.Ordinal);
        return order;
    }

    private sealed class State
    {
        private readonly IReadOnlyList<SplitItem> items;
        private readonly IReadOnlyList<double> shares;
        private readonly int[] targets;
        private readonly int[] images;
        private readonly Dictionary<int, int> column = [];
        private readonly (int Class, double Share)[][] held;
        private readonly double[,] there;

        public State(IReadOnlyList<SplitItem> items, IReadOnlyList<double> shares)
        {
            (this.items, this.shares) = (items, shares);
            targets = Targets(items.Sum(item => item.Images), shares);
            images = new int[shares.Count];
            Part = new int[items.Count];
            var totals = new SortedDictionary<int, long>();
            foreach (var (label, count) in items.SelectMany(item => item.Boxes))
            {
                totals[label] = totals.GetValueOrDefault(label) + count;
            }

            foreach (var label in totals.Keys)
            {
                column.Add(label, column.Count);
            }

            held =
            [
                .. items.Select(item =>
                    item.Boxes.Where(entry => entry.Value > 0)
                        .OrderBy(entry => entry.Key)
                        .Select(entry => (column[entry.Key], (double)entry.Value / totals[entry.Key]))
                        .ToArray()
                ),
            ];
            there = new double[shares.Count, column.Count];
        }

        public int[] Part { get; }

        public void Distribute()
        {
            // An item with a large share of a class decides much, so it comes early.
            var order = Enumerable
                .Range(0, items.Count)
                .OrderByDescending(i => held[i].Select(entry => entry.Share).DefaultIfEmpty(0).Max())
                .ToArray();
            foreach (var i in order)
            {
                var part = 0;
                for (var other = 1; other < shares.Count; other++)
                {
                    part = Better(i, other, part) ? other : part;
                }

                Place(i, part, 1);
                Part[i] = part;
            }
        }

        public void Exchange(long most)
        {
            var looked = 0L;
            for (var improved = true; improved; )
            {
                improved = false;
                for (var i = 0; i < items.Count; i++)
                {
                    for (var j = i + 1; j < items.Count; j++)
                    {
                        if (++looked > most)
                        {
                            return;
                        }

                        if (Part[i] != Part[j] && KeepsSizes(i, j) && Gain(i, j) > 1e-12)
                        {
                            var (a, b) = (Part[i], Part[j]);
                            Place(i, a, -1);
                            Place(j, b, -1);
                            Place(i, b, 1);
                            Place(j, a, 1);
                            (Part[i], Part[j]) = (b, a);
                            improved = true;
                        }
                    }
                }
            }
        }

        // Room comes first, then what the classes want, then the room that is left.
        private bool Better(int item, int part, int than)
        {
            var (fits, otherFits) = (Room(part) >= items[item].Images, Room(than) >= items[item].Images);
            if (fits != otherFits)
            {
                return fits;
            }

            if (!fits && Room(part) != Room(than))
            {
                return Room(part) > Room(than);
            }

            var (wish, other) = (Wish(item, part), Wish(item, than));
            return Math.Abs(wish - other) > 1e-12
                ? wish > other
                : Room(part) / Math.Max(1e-9, shares[part]) > Room(than) / Math.Max(1e-9, shares[than]);
        }

        private int Room(int part) => targets[part] - images[part];

        // By how much putting the item there lowers the cost: 2 s (share - there) - s^2 of each class; s^2 is the same everywhere.
        private double Wish(int item, int part)
        {
            var sum = 0.0;
            foreach (var (label, share) in held[item])
            {
                sum += share * (shares[part] - there[part, label]);
            }

            return sum;
        }

        private bool KeepsSizes(int i, int j)
        {
            var more = items[j].Images - items[i].Images;
            if (more == 0)
            {
                return true;
            }

            var (a, b) = (Room(Part[i]), Room(Part[j]));
            return Math.Abs(a - more) + Math.Abs(b + more) <= Math.Abs(a) + Math.Abs(b);
        }

        // By how much an exchange lowers the cost. With d more of a class in part a and less in b, where they have A and B too much, it
        // rises by (A + d)^2 - A^2 + (B - d)^2 - B^2.
        private double Gain(int i, int j)
        {
            var (first, second) = (held[i], held[j]);
            var (x, y, gain) = (0, 0, 0.0);
            while (x < first.Length || y < second.Length)
            {
                var label = Math.Min(
                    x < first.Length ? first[x].Class : int.MaxValue,
                    y < second.Length ? second[y].Class : int.MaxValue
                );
                var less = x < first.Length && first[x].Class == label ? first[x++].Share : 0;
                var more = y < second.Length && second[y].Class == label ? second[y++].Share : 0;
                var change = more - less;
                gain -= 2 * change * (Beyond(Part[i], label) - Beyond(Part[j], label) + change);
            }

            return gain;
        }

        private double Beyond(int part, int label) => there[part, label] - shares[part];

        private void Place(int item, int part, int sign)
        {
            foreach (var (label, share) in held[item])
            {
                there[part, label] += sign * share;
            }

            images[part] += sign * items[item].Images;
        }
    }
}
