// Pure. Makes text from elsewhere safe to print on a terminal.

// C0 but LF and tab, DEL, C1, line separators, and what turns the direction of writing.
const hidden =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is made visible
  /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** `text` with what a terminal would not show made visible. */
export function printable(text: string): string {
  return text.replace(hidden, (char) => {
    const code = char.charCodeAt(0);
    return code < 0x100
      ? `\\x${code.toString(16).padStart(2, "0")}`
      : `\\u${code.toString(16).padStart(4, "0")}`;
  });
}
