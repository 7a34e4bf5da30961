/** Text for a terminal: names in a stranger's model may contain control characters. */
export function printable(text: string): string {
  return text.replaceAll(/[^\P{Cc}\n]|[\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu, "\ufffd");
}
