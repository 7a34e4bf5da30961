/**
 * The server's metrics. Names are vLLM's with the prefix `engram_` in place of `vllm:`, and so is the label
 * `model_name`: a dashboard for vLLM needs another prefix only. Counts nothing (`tallies.ts` does), and knows no requests.
 */
import { memoryMetrics } from "./memory-metrics.ts";
import { counter, exposition, histogram, reading } from "./prometheus.ts";
import type { Serving } from "./serving.ts";

/** The text of a scrape. */
export function metricsText({ name, scheduler, tallies }: Serving): string {
  const metrics = [
    reading("engram_num_requests_running", {
      help: "Texts being generated.",
      type: "gauge",
      read: () => scheduler.numRunning,
    }),
    reading("engram_num_requests_waiting", {
      help: "Texts waiting for a slot.",
      type: "gauge",
      read: () => scheduler.numWaiting,
    }),
    reading("engram_kv_cache_usage_perc", {
      help: "Share of the KV caches in use, from 0 to 1.",
      type: "gauge",
      read: () => scheduler.cacheUsage,
    }),
    reading("engram_prefix_cache_queries_total", {
      help: "Prompt tokens looked up in the prefix cache.",
      type: "counter",
      read: () => scheduler.prefixCache.queries,
    }),
    reading("engram_prefix_cache_hits_total", {
      help: "Prompt tokens found in the prefix cache.",
      type: "counter",
      read: () => scheduler.prefixCache.hits,
    }),
    counter("engram_prompt_tokens_total", {
      help: "Prompt tokens read.",
      of: tallies.promptTokens,
    }),
    counter("engram_generation_tokens_total", {
      help: "Tokens generated.",
      of: tallies.generationTokens,
    }),
    counter("engram_request_success_total", {
      help: "Finished texts, by reason.",
      of: tallies.finished,
      label: "finished_reason",
    }),
    histogram("engram_time_to_first_token_seconds", {
      help: "Time from a request's arrival to its first token.",
      of: tallies.firstToken,
    }),
    histogram("engram_inter_token_latency_seconds", {
      help: "Time between two tokens of a text.",
      of: tallies.interToken,
    }),
    // vLLM's only name for it until 2025; many dashboards still use it.
    histogram("engram_time_per_output_token_seconds", {
      help: "Older name of engram_inter_token_latency_seconds.",
      of: tallies.interToken,
    }),
    histogram("engram_e2e_request_latency_seconds", {
      help: "Time from a request's arrival to the end of its text.",
      of: tallies.request,
    }),
    histogram("engram_request_queue_time_seconds", {
      help: "Time from a request's arrival until it gets a slot.",
      of: tallies.queue,
    }),
    histogram("engram_request_prefill_time_seconds", {
      help: "Time from getting a slot to the end of the prompt.",
      of: tallies.prefill,
    }),
    histogram("engram_request_decode_time_seconds", {
      help: "Time from a text's first token to its last.",
      of: tallies.decode,
    }),
    histogram("engram_request_prompt_tokens", {
      help: "Prompt tokens per text.",
      of: tallies.promptLength,
    }),
    histogram("engram_request_generation_tokens", {
      help: "Generated tokens per text.",
      of: tallies.generationLength,
    }),
    ...memoryMetrics(() => scheduler.memory),
  ];
  return exposition(metrics, { model_name: name });
}
