/**
 * Requests that cost a server far more than they cost whoever sends them: bodies of the largest size that is taken, and
 * a chat by a template that never ends. For the test and the bench that ask `/health` meanwhile.
 */

export interface SlowRequest {
  readonly path: string;
  readonly body: () => string;
  /** What of it is done by workers. What is refused by a limit before it is cut into tokens has its body read only. */
  readonly tasks: readonly string[];
}

/** Takes some thousand years to render. */
export const endlessTemplate: string =
  "{%- for a in range(1000000) -%}{%- for b in range(1000000) -%}{%- endfor -%}{%- endfor -%}" +
  "{%- for message in messages -%}{{ message.content }}{%- endfor -%}";

const megabytes4 = 4_190_000;
const list = (length: number, of: (i: number) => string): string =>
  Array.from({ length }, (_, i) => of(i)).join(",");
const user = (content: string): string => `{"role":"user","content":${content}}`;

export const slowRequests: Readonly<Record<string, SlowRequest>> = {
  "a letter 4,190,000 times": {
    path: "/v1/completions",
    tasks: ["parseBody"],
    body: () => `{"prompt":"${"a".repeat(megabytes4)}"}`,
  },
  "a letter 1,500,000 times, to count its tokens": {
    path: "/tokenize",
    tasks: ["parseBody", "encode"],
    body: () => `{"prompt":"${"a".repeat(1_500_000)}"}`,
  },
  "1,024 prompts of a letter 4,000 times": {
    path: "/v1/completions",
    tasks: ["parseBody"],
    body: () => `{"prompt":[${list(1024, () => `"${"a".repeat(4000)}"`)}],"max_tokens":0}`,
  },
  "2,000,000 brackets in each other": {
    path: "/v1/completions",
    tasks: ["parseBody"],
    body: () => "[".repeat(2_000_000) + "]".repeat(2_000_000),
  },
  "1,390,000 empty objects": {
    path: "/v1/chat/completions",
    tasks: ["parseBody"],
    body: () => `{"messages":[${"{},".repeat(1_390_000)}{}]}`,
  },
  "200,000 biases": {
    path: "/v1/completions",
    tasks: ["parseBody"],
    body: () => `{"prompt":"a","logit_bias":{${list(200_000, (i) => `"${i}":1`)}}}`,
  },
  "a million token ids": {
    path: "/v1/completions",
    tasks: ["parseBody"],
    body: () => `{"prompt":[${list(1_000_000, () => "1")}]}`,
  },
  "120,000 prompts of one id": {
    path: "/v1/completions",
    tasks: ["parseBody"],
    body: () => `{"prompt":[${list(120_000, () => "[1]")}]}`,
  },
  "4,096 messages of 12 parts": {
    path: "/v1/chat/completions",
    tasks: ["parseBody", "render"],
    body: () => {
      const parts = list(12, () => '{"type":"text","text":"a"}');
      return `{"messages":[${list(4096, () => user(`[${parts}]`))}]}`;
    },
  },
  "65,000 token ids to spell": {
    path: "/detokenize",
    tasks: ["parseBody"],
    body: () => `{"tokens":[${list(65_000, (i) => `${256 + (i % 20)}`)}]}`,
  },
  "4 MB of words to index": {
    path: "/engram/corpus",
    tasks: ["parseBody", "encode"],
    body: () => `{"text":"${list(700_000, (i) => `w${i % 997}`)}"}`,
  },
  "a chat by a template without end": {
    path: "/v1/chat/completions",
    tasks: ["render"],
    body: () => `{"messages":[${user('"a"')}]}`,
  },
};
