/**
 * Requests that cost a server far more than they cost whoever sends them: bodies of the largest size that is taken, and
 * a chat by a template that never ends. For the test and the bench that ask `/health` meanwhile.
 */

export interface SlowRequest {
  readonly path: string;
  readonly body: () => string;
  /** Refused by a limit before any work that takes long. The others go to a worker. */
  readonly isRefusedEarly?: boolean;
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
    body: () => `{"prompt":"${"a".repeat(megabytes4)}"}`,
    isRefusedEarly: true,
  },
  "a letter 1,500,000 times, to count its tokens": {
    path: "/tokenize",
    body: () => `{"prompt":"${"a".repeat(1_500_000)}"}`,
  },
  "1,024 prompts of a letter 4,000 times": {
    path: "/v1/completions",
    body: () => `{"prompt":[${list(1024, () => `"${"a".repeat(4000)}"`)}],"max_tokens":0}`,
    isRefusedEarly: true,
  },
  "2,000,000 brackets in each other": {
    path: "/v1/completions",
    body: () => "[".repeat(2_000_000) + "]".repeat(2_000_000),
    isRefusedEarly: true,
  },
  "1,390,000 empty objects": {
    path: "/v1/chat/completions",
    body: () => `{"messages":[${"{},".repeat(1_390_000)}{}]}`,
    isRefusedEarly: true,
  },
  "200,000 biases": {
    path: "/v1/completions",
    body: () => `{"prompt":"a","logit_bias":{${list(200_000, (i) => `"${i}":1`)}}}`,
  },
  "a million token ids": {
    path: "/v1/completions",
    body: () => `{"prompt":[${list(1_000_000, () => "1")}]}`,
    isRefusedEarly: true,
  },
  "120,000 prompts of one id": {
    path: "/v1/completions",
    body: () => `{"prompt":[${list(120_000, () => "[1]")}]}`,
  },
  "4,096 messages of 30 parts": {
    path: "/v1/chat/completions",
    body: () => {
      const parts = list(30, () => '{"type":"text","text":"a"}');
      return `{"messages":[${list(4096, () => user(`[${parts}]`))}]}`;
    },
  },
  "65,000 token ids to spell": {
    path: "/detokenize",
    body: () => `{"tokens":[${list(65_000, (i) => `${256 + (i % 20)}`)}]}`,
  },
  "4 MB of words to index": {
    path: "/engram/corpus",
    body: () => `{"text":"${list(700_000, (i) => `w${i % 997}`)}"}`,
  },
  "a chat by a template without end": {
    path: "/v1/chat/completions",
    body: () => `{"messages":[${user('"a"')}]}`,
  },
};
