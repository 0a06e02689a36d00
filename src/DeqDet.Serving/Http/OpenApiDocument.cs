using System.Text.Json.Nodes;

namespace DeqDet.Serving.Http;

/// <summary>What the service offers, as an OpenAPI document (3.1).</summary>
internal static class OpenApiDocument
{
    private const string Json = "application/json";

    private static readonly (int Status, string When)[] refusals =
    [
        (400, "A parameter is unknown or out of its range, the body is empty, or a form has no file or several."),
        (408, "The body came too slowly."),
        (413, "The body has too many bytes, or the picture too many pixels."),
        (415, "The body is of a type that is no picture."),
        (422, "The bytes are no picture that can be read."),
        (429, "The queue is full; Retry-After says when to come back."),
        (500, "The service failed."),
        (503, "There was no time for an answer, or the service is about to end; Retry-After says when to come back."),
    ];

    /// <summary>The document of a service.</summary>
    /// <param name="service">The service, for its limits.</param>
    /// <param name="version">The program's.</param>
    public static JsonObject Of(DetectionService service, string version) =>
        new()
        {
            ["openapi"] = "3.1.0",
            ["info"] = new JsonObject
            {
                ["title"] = "DeqDet",
                ["description"] = $"Finds objects in pictures: {service.Options.Name}.",
                ["version"] = version,
            },
            // relative to the document, whatever stands before it
            ["servers"] = new JsonArray(new JsonObject { ["url"] = "." }),
            ["paths"] = new JsonObject
            {
                [Routes.Detect] = new JsonObject { ["post"] = Detect(service) },
                [Routes.Page] = Get("A page to drop a picture on.", [], Told("The page.", "text/html")),
                [Routes.Metrics] = Get(
                    "What the service has done.",
                    [Words("Form of the answer: lines for people, or an object.", "text", "json")],
                    Told("Counts and times.", "text/plain", Json)
                ),
                [Routes.Live] = Get("Whether the process answers.", [], Told("It does.", "text/plain")),
                [Routes.Ready] = Get(
                    "Whether the service takes pictures.",
                    [],
                    Told("It does.", "text/plain"),
                    Told("It does not: it is about to end.", "text/plain")
                ),
                [Routes.OpenApi] = Get("This document.", [], Told("The document.", Json)),
            },
            ["components"] = new JsonObject
            {
                ["schemas"] = new JsonObject { ["Answer"] = Answer(), ["Problem"] = Problem() },
            },
        };

    private static JsonObject Detect(DetectionService service)
    {
        var bytes = new JsonObject { ["type"] = "string", ["contentMediaType"] = "application/octet-stream" };
        var form = new JsonObject
        {
            ["type"] = "object",
            ["required"] = new JsonArray("file"),
            ["properties"] = new JsonObject { ["file"] = bytes.DeepClone() },
        };
        var content = new JsonObject();
        foreach (var type in RequestBody.MediaTypes)
        {
            var isForm = type.StartsWith("multipart", StringComparison.Ordinal);
            content[type] = new JsonObject { ["schema"] = (isForm ? form : bytes).DeepClone() };
        }

        var responses = new JsonObject
        {
            ["200"] = Response("What was found.", (Json, Reference("Answer")), ("image/png", bytes.DeepClone())),
        };
        foreach (var (status, when) in refusals)
        {
            var response = Response(when, ("application/problem+json", Reference("Problem")));
            if (status is 429 or 503)
            {
                response["headers"] = new JsonObject
                {
                    ["Retry-After"] = new JsonObject
                    {
                        ["description"] = "Seconds.",
                        ["schema"] = new JsonObject { ["type"] = "integer", ["minimum"] = 1 },
                    },
                };
            }

            responses[$"{status}"] = response;
        }

        return new()
        {
            ["operationId"] = "detect",
            ["summary"] = "Finds objects in a picture.",
            ["description"] =
                $"At most {service.Options.MaxBodyBytes} bytes and {service.Options.MaxPixels} pixels. Pictures of one input size that come at the same time go through the network together; each answer is that of one picture alone, up to rounding.",
            ["parameters"] = new JsonArray(
                Number(QueryParameters.ThresholdParameter),
                Number(QueryParameters.ToleranceParameter),
                Words("Form of the answer: detections, or the picture with them.", [.. QueryParameters.Formats.Keys])
            ),
            ["requestBody"] = new JsonObject { ["required"] = true, ["content"] = content },
            ["responses"] = responses,
        };
    }

    private static JsonObject Number(QueryParameters.NumberParameter parameter) =>
        new()
        {
            ["name"] = parameter.Name,
            ["in"] = "query",
            ["description"] = parameter.Meaning,
            ["schema"] = new JsonObject
            {
                ["type"] = "number",
                [parameter.AllowsLeast ? "minimum" : "exclusiveMinimum"] = parameter.Least,
                ["maximum"] = parameter.Most,
            },
        };

    private static JsonObject Words(string meaning, params string[] words) =>
        new()
        {
            ["name"] = QueryParameters.FormatName,
            ["in"] = "query",
            ["description"] = meaning,
            ["schema"] = new JsonObject
            {
                ["type"] = "string",
                ["enum"] = new JsonArray([.. words.Select(word => JsonValue.Create(word))]),
                ["default"] = words[0],
            },
        };

    private static JsonObject Get(
        string summary,
        JsonObject[] parameters,
        JsonObject answer,
        JsonObject? unavailable = null
    )
    {
        var responses = new JsonObject { ["200"] = answer };
        if (unavailable is not null)
        {
            responses["503"] = unavailable;
        }

        return new()
        {
            ["get"] = new JsonObject
            {
                ["summary"] = summary,
                ["parameters"] = new JsonArray([.. parameters]),
                ["responses"] = responses,
            },
        };
    }

    private static JsonObject Told(string description, params string[] types) =>
        Response(description, [.. types.Select(type => (type, (JsonNode)Of(type == Json ? "object" : "string")))]);

    private static JsonObject Response(string description, params (string Type, JsonNode Schema)[] content)
    {
        var types = new JsonObject();
        foreach (var (type, schema) in content)
        {
            types[type] = new JsonObject { ["schema"] = schema };
        }

        return new() { ["description"] = description, ["content"] = types };
    }

    private static JsonObject Reference(string schema) => new() { ["$ref"] = $"#/components/schemas/{schema}" };

    private static JsonObject Object(params (string Name, JsonObject Schema)[] properties)
    {
        var schema = new JsonObject();
        foreach (var (name, property) in properties)
        {
            schema[name] = property;
        }

        return new() { ["type"] = "object", ["properties"] = schema };
    }

    private static JsonObject Of(string type, string? description = null)
    {
        var schema = new JsonObject { ["type"] = type };
        if (description is not null)
        {
            schema["description"] = description;
        }

        return schema;
    }

    private static JsonObject Measured(string description) =>
        new() { ["type"] = new JsonArray("number", "null"), ["description"] = description };

    private static JsonObject List(JsonObject items, string description) =>
        new()
        {
            ["type"] = "array",
            ["items"] = items,
            ["description"] = description,
        };

    private static JsonObject Answer() =>
        Object(
            ("width", Of("integer", "Of the picture as it is looked at, px.")),
            ("height", Of("integer")),
            (
                "detections",
                List(
                    Object(
                        ("class", Of("string", "The class's name.")),
                        ("category_id", Of("integer", "The class's id in the data that the model was trained on.")),
                        ("label", Of("integer", "The class's place among the model's, from 0.")),
                        ("score", Of("number", "0 to 1.")),
                        ("box", List(Of("number"), "Left, top, right, bottom; px of the picture.")),
                        ("query", Of("integer", "The query that it comes from.")),
                        (
                            "residual",
                            Measured("How far the last application still moved the query; null: not measured.")
                        ),
                        ("steps", Of("integer", "Applications of the refinement head to the query."))
                    ),
                    "Best first."
                )
            ),
            (
                "refinement",
                Object(
                    ("queries", Of("integer")),
                    ("steps", Of("integer", "Applications to the slowest query.")),
                    ("settled", Of("integer", "Queries within the tolerance.")),
                    ("residual", Measured("Median of all queries."))
                )
            ),
            ("notes", List(Of("string"), "What to know of the picture's file.")),
            ("batch", Of("integer", "Pictures that went through the network together.")),
            ("milliseconds", Object(("waiting", Of("number")), ("computing", Of("number"))))
        );

    private static JsonObject Problem() =>
        Object(
            ("title", Of("string")),
            ("status", Of("integer")),
            ("code", Of("string", "The reason as a word.")),
            ("detail", Of("string", "The reason, and what to do."))
        );
}
