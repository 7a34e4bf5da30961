/**
 * Text for a terminal: what a stranger's model or file says may contain control characters, and characters that turn
 * the order of what is read. Lines and tabs stay.
 */
const commands = /[^\P{Cc}\n\t]|[\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;

export function printable(text: string): string {
  return text.replaceAll(commands, "\ufffd");
}

/** The same value as JSON, with escapes in their place. */
export function printableJson(value: object): string {
  return JSON.stringify(value).replaceAll(
    commands,
    (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
