/** The HTTP interface as an OpenAPI 3.1 document. Request bodies come from the schemas that check them. */
import * as z from "zod/mini";
import { commonWords, type Words, wordsByPath } from "./field-words.ts";
import { json, routes } from "./route-table.ts";

const errorSchema = z.strictObject({
  error: z.strictObject({
    message: z.string(),
    type: z.string(),
    param: z.nullable(z.string()),
    code: z.nullable(z.string()),
  }),
});

export function openApi(version: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const { method, path, summary, body, query, produces = [json] } of routes) {
    const content = Object.fromEntries(produces.map((type) => [type, {}]));
    (paths[path] ??= {})[method] = {
      summary,
      parameters: parametersOf(path, query),
      ...(body && {
        requestBody: {
          required: true,
          content: { [json]: { schema: bodySchema(path, body) } },
        },
      }),
      responses: {
        200: { description: summary, content },
        default: {
          description: "An error",
          content: { [json]: { schema: z.toJSONSchema(errorSchema) } },
        },
      },
    };
  }
  return { openapi: "3.1.0", info: { title: "engram", version }, paths };
}

type Schema = z.core.JSONSchema.BaseSchema;

function bodySchema(path: string, body: z.ZodMiniType): Schema {
  const schema = z.toJSONSchema(body, { io: "input" });
  describe(schema, { ...commonWords, ...wordsByPath[path] }, []);
  return schema;
}

/** What is described beside its checks keeps those words. */
function describe(schema: Schema, words: Words, place: readonly string[]): void {
  const said = words[place.join(".")];
  if (said !== undefined) schema.description ??= said;
  const describeFields = ({ properties = {} }: Schema): void => {
    for (const [name, field] of Object.entries(properties))
      if (typeof field === "object") describe(field, words, [...place, name]);
  };
  describeFields(schema);
  // A field that may be null is an object or null.
  for (const one of schema.anyOf ?? []) if (typeof one === "object") describeFields(one);
}

function parametersOf(path: string, query: z.ZodMiniType = z.object({})): object[] {
  const { properties } = z.toJSONSchema(query, { io: "output" });
  const { required } = z.toJSONSchema(query, { io: "input" });
  return [
    ...(path.includes("{name}")
      ? [{ name: "name", in: "path", required: true, schema: { type: "string" } }]
      : []),
    ...Object.entries(properties!).map(([name, schema]) => ({
      name,
      in: "query",
      required: required?.includes(name) ?? false,
      schema,
    })),
  ];
}
