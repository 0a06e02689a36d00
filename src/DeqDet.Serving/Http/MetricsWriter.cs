using System.Text;
using System.Text.Json;
using DeqDet.Reports;
using DeqDet.Serving.Measures;

namespace DeqDet.Serving.Http;

/// <summary>What a service has done and holds, as text for people and as JSON.</summary>
internal static class MetricsWriter
{
    /// <summary>Some lines of text.</summary>
    public static string ToText(DetectionService service)
    {
        var now = service.Measures.Now();
        var text = new StringBuilder();
        text.Append($"{service.Options.Name}, up {Human.Duration(now.Up)}\n");
        text.Append(
            $"requests   {now[RequestOutcome.Answered]} answered, {now[RequestOutcome.Refused]} refused (4xx), {now[RequestOutcome.Busy]} asked to come back (429, 503), {now[RequestOutcome.Failed]} failed (500), {now[RequestOutcome.Gone]} gone before their answer\n"
        );
        text.Append(
            $"queue      {service.Waiting} of {service.Options.QueueLength} waiting, {service.Computing} in the network\n"
        );
        text.Append($"batches    {now.Batches}, of {now.MeanBatch:0.0} pictures on average\n");
        text.Append(
            $"memory     {Human.Bytes(service.Memory.Held)} of {Human.Bytes(service.Options.MemoryBytes)} held by requests; the process has {Human.Bytes(Environment.WorkingSet)}\n"
        );
        text.Append($"times, ms  of the last {ServiceMeasures.Recent}      half      90 %      99 %   longest\n");
        Row("in all", now.InAll);
        Row("waiting", now.Waiting);
        Row("computing", now.Computing);
        return text.ToString();

        void Row(string name, Percentiles? times) =>
            text.Append(
                times is null
                    ? $"           {name, -16} none yet\n"
                    : $"           {name, -16} {times.Half, 8:0.0}  {times.Ninety, 8:0.0}  {times.NinetyNine, 8:0.0}  {times.Longest, 8:0.0}\n"
            );
    }

    /// <summary>The same numbers as an object.</summary>
    public static void WriteJson(Utf8JsonWriter writer, DetectionService service)
    {
        var now = service.Measures.Now();
        writer.WriteStartObject();
        writer.WriteNumber("up_seconds", Math.Round(now.Up.TotalSeconds, 1));
        writer.WriteStartObject("requests");
        foreach (var outcome in Enum.GetValues<RequestOutcome>())
        {
            writer.WriteNumber(outcome.ToString().ToLowerInvariant(), now[outcome]);
        }

        writer.WriteEndObject();
        writer.WriteStartObject("queue");
        writer.WriteNumber("waiting", service.Waiting);
        writer.WriteNumber("length", service.Options.QueueLength);
        writer.WriteNumber("computing", service.Computing);
        writer.WriteEndObject();
        writer.WriteStartObject("batches");
        writer.WriteNumber("count", now.Batches);
        writer.WriteNumber("pictures", now.Pictures);
        writer.WriteNumber("most", service.BatchSize);
        writer.WriteEndObject();
        writer.WriteStartObject("memory");
        writer.WriteNumber("held", service.Memory.Held);
        writer.WriteNumber("most", service.Options.MemoryBytes);
        writer.WriteNumber("process", Environment.WorkingSet);
        writer.WriteEndObject();
        writer.WriteStartObject("milliseconds");
        Times("in_all", now.InAll);
        Times("waiting", now.Waiting);
        Times("computing", now.Computing);
        writer.WriteEndObject();
        writer.WriteEndObject();

        void Times(string name, Percentiles? times)
        {
            if (times is null)
            {
                writer.WriteNull(name);
                return;
            }

            writer.WriteStartObject(name);
            writer.WriteNumber("p50", Math.Round(times.Half, 3));
            writer.WriteNumber("p90", Math.Round(times.Ninety, 3));
            writer.WriteNumber("p99", Math.Round(times.NinetyNine, 3));
            writer.WriteNumber("longest", Math.Round(times.Longest, 3));
            writer.WriteEndObject();
        }
    }
}
