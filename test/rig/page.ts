import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ROOT } from './manifests.ts';

/** The commands of a page of the manual, as somebody copies them into a shell. */

/** What needs a network, an engine for images, a kubelet or a Consul in the cluster, and what only leads a person to another place. */
const NOT_HERE = /^(git|cd|mv|docker|npm|export) |^kubectl .*\b(exec|port-forward)\b/;

/** A command that somebody types, and what the page shows of its output. */
export interface Shown {
  readonly command: string;
  readonly output: string;
}

/**
 * The blocks below a heading; those before the first heading of the second level when none is given. Each is without the commands
 * that cannot be run here, and left out when it has no other.
 * @throws Error when the page has no such heading
 */
export async function commandsOf(page: string, heading?: string): Promise<string[]> {
  return fenced('sh', await sectionOf(page, heading))
    .map((block) => commandsIn(block).filter((command) => !NOT_HERE.test(command)))
    .filter((commands) => commands.length > 0)
    .map((commands) => `${commands.join('\n')}\n`);
}

/** The one block with this text. @throws Error when there are more, or none */
export function theOne(blocks: readonly string[], text: string): string {
  const [block, ...more] = blocks.filter((one) => one.includes(text));
  if (block === undefined || more.length > 0)
    throw new Error(`read a page: expected one block with "${text}", found ${block ? more.length + 1 : 'none'}`);
  return block;
}

/** The first file of that language below a heading: YAML to save, rules to append. */
export async function fileOf(page: string, language: string, heading?: string): Promise<string> {
  const [file] = fenced(language, await sectionOf(page, heading));
  if (file === undefined)
    throw new Error(`read ${page}: expected a block of ${language} below "${heading}", found none`);
  return file;
}

/** What is shown with its output, below a heading. */
export async function shownOf(page: string, heading: string): Promise<Shown[]> {
  return fenced('console', await sectionOf(page, heading)).flatMap((block) =>
    block
      .split(/^\$ /m)
      .slice(1)
      .map((text) => {
        const [command = ''] = commandsIn(text);
        return { command, output: text.slice(command.length + 1) };
      }),
  );
}

async function sectionOf(page: string, heading?: string): Promise<string> {
  const text = await readFile(join(ROOT, page), 'utf8');
  const [beginning = '', ...sections] = text.split(/^##+ /m);
  if (heading === undefined) return beginning;
  const section = sections.find((part) => part.startsWith(`${heading}\n`));
  if (section === undefined) throw new Error(`read ${page}: expected the heading "${heading}", found none`);
  return section;
}

const fenced = (language: string, text: string) =>
  [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(([, block = '']) => block);

/** A command ends with its line, unless that ends with a backslash or has a text after it, up to END. */
function commandsIn(block: string): string[] {
  const commands: string[] = [];
  let last: string | undefined;
  for (const line of block.trimEnd().split('\n')) {
    last = last === undefined ? line : `${last}\n${line}`;
    const isOpen = line.endsWith('\\') || (last.includes("<<'END'") && line !== 'END');
    if (isOpen) continue;
    commands.push(last);
    last = undefined;
  }
  return commands;
}
