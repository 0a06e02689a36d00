namespace DeqDet.Serving.Http;

/// <summary>Where things are.</summary>
internal static class Routes
{
    public const string Page = "/";
    public const string Detect = "/detect";
    public const string Metrics = "/metrics";
    public const string Live = "/health/live";
    public const string Ready = "/health/ready";
    public const string OpenApi = "/openapi.json";
}
