/**
 * Schemas of what only conversations have: messages, tools, and the form of an answer. Messages come out as templates
 * take them. Knows no sampling.
 */
import * as z from "zod/mini";
import type { ChatMessage } from "../chat/index.ts";
import { type Maybe, withNulls } from "./neutral-fields.ts";

const textParts = z.pipe(
  z.array(z.strictObject({ type: z.literal("text"), text: z.string() })),
  z.transform((parts) => parts.map(({ text }) => text).join("")),
);

/** A JSON schema. `grammar/enforced-schema.ts` checks it. */
const jsonObject = z.record(z.string(), z.unknown());

const callSchema = z.pipe(
  z.strictObject({
    id: z.string().check(z.maxLength(200)),
    type: z.literal("function"),
    function: z.strictObject({
      name: z.string().check(z.maxLength(200)),
      arguments: z.string(),
    }),
  }),
  z.transform(({ id, function: { name, arguments: text } }) => ({
    id,
    name,
    arguments: jsonOrText(text),
  })),
);

/** The arguments of a call that was cut off are not JSON. They stay a text. */
function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

const contentSchema = z.union([z.string(), textParts], {
  error: "expected a text, or parts of type text",
});

const messageSchema = z.discriminatedUnion("role", [
  withNulls({
    role: z.enum(["system", "developer", "user"]),
    content: contentSchema,
    name: z.nullish(z.string()),
  }),
  z.pipe(
    // As a client sends back what it was answered.
    withNulls({
      role: z.literal("assistant"),
      content: z.nullish(contentSchema),
      name: z.nullish(z.string()),
      annotations: z.nullish(z.array(z.unknown()).check(z.maxLength(0))),
      tool_calls: z.nullish(z.array(callSchema).check(z.maxLength(128))),
    }).check(
      z.refine(({ content, tool_calls: calls }) => content != null || (calls ?? []).length > 0, {
        path: ["content"],
        error: "expected a text, or tool_calls beside it",
      }),
    ),
    z.transform(({ content, tool_calls: toolCalls, role }) => ({
      role,
      content: content ?? "",
      ...(toolCalls && { toolCalls }),
    })),
  ),
  withNulls({
    role: z.literal("tool"),
    content: contentSchema,
    tool_call_id: z.string(),
    name: z.nullish(z.string()),
  }),
]);

export const messagesSchema: z.ZodMiniType<ChatMessage[]> = z
  .array(messageSchema)
  .check(z.minLength(1), z.maxLength(4096));

interface FunctionTool {
  readonly type: "function";
  readonly function: {
    readonly name: string;
    readonly description?: Maybe<string>;
    readonly parameters?: Maybe<object>;
    readonly strict?: Maybe<boolean>;
  };
}

type ToolChoice =
  | "none"
  | "auto"
  | "required"
  | { readonly type: "function"; readonly function: { readonly name: string } };

type ResponseFormat =
  | { readonly type: "text" }
  | { readonly type: "json_object" }
  | {
      readonly type: "json_schema";
      readonly json_schema: { readonly schema: object };
    };

/** What an answer may call, and its form. */
export interface AnswerFields {
  readonly tools?: Maybe<readonly FunctionTool[]>;
  readonly tool_choice?: Maybe<ToolChoice>;
  readonly parallel_tool_calls?: Maybe<boolean>;
  readonly response_format?: Maybe<ResponseFormat>;
}

const functionName = z
  .string()
  .check(
    z.regex(/^[\w.-]{1,64}$/, "expected 1 to 64 letters, digits, underscores, dots and dashes"),
  );

const toolSchema = z.strictObject({
  type: z.literal("function", { error: "expected function, the only kind that is supported" }),
  function: z.strictObject({
    name: functionName,
    description: z.nullish(z.string()),
    parameters: z.nullish(jsonObject),
    strict: z.nullish(z.boolean()),
  }),
});

export const answerFields: {
  readonly [Name in keyof AnswerFields]-?: z.ZodMiniType<AnswerFields[Name]>;
} = {
  tools: z
    .nullish(
      z.array(toolSchema).check(
        z.maxLength(128),
        z.refine(
          (tools) => new Set(tools.map((tool) => tool.function.name)).size === tools.length,
          "expected each name once",
        ),
      ),
    )
    .check(z.describe("functions that the answer may call")),
  tool_choice: z.nullish(
    z.union([
      z.enum(["none", "auto", "required"]),
      z.strictObject({
        type: z.literal("function"),
        function: z.strictObject({ name: functionName }),
      }),
    ]),
  ),
  parallel_tool_calls: z.nullish(z.boolean()).check(z.describe("more than one call; default true")),
  response_format: z
    .nullish(
      z.discriminatedUnion("type", [
        z.strictObject({ type: z.literal("text") }),
        z.strictObject({ type: z.literal("json_object") }),
        z.strictObject({
          type: z.literal("json_schema"),
          json_schema: z.strictObject({
            name: z.nullish(z.string().check(z.maxLength(64))),
            description: z.nullish(z.string()),
            schema: jsonObject,
            strict: z.nullish(z.boolean()),
          }),
        }),
      ]),
    )
    .check(z.describe("the form of the answer: any JSON object, or JSON by a schema")),
};
