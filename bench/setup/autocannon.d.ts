/** What the benches use of autocannon, which comes without types. */
declare module "autocannon" {
  interface Request {
    method?: string;
    body?: string;
  }
  interface Options {
    url: string;
    connections: number;
    /** Seconds. */
    duration: number;
    /** Seconds. */
    timeout: number;
    requests: readonly (Request & {
      /** `context` is the connection's own, and goes from a request to its answer. */
      setupRequest(request: Request, context: { prompt?: number }): Request;
      onResponse(status: number, body: string, context: { prompt?: number }): void;
    })[];
  }
  interface Result {
    errors: number;
    timeouts: number;
    non2xx: number;
    requests: { total: number };
    /** Milliseconds. */
    latency: { p50: number; p99: number; max: number };
  }
  export default function autocannon(options: Options): Promise<Result>;
}
