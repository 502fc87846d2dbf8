import { readFileSync } from 'node:fs';

/** The text of a file of the page. In the bundle there is another module in place of this one, which has all texts in it. */
export function fileText(name: string): string {
  return readFileSync(new URL(`./files/${name}`, import.meta.url), 'utf8');
}
