import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { format, resolveConfig } from 'prettier';
import { CHART_FILES } from './chart.ts';
import { createJsonSchema } from './json-schema.ts';
import { PAGES } from './reference.ts';

/** Writes what the code decides: consular.schema.json, the pages of the manual about settings and metrics, and what goes with the chart: `npm run schema`. */
const root = new URL('../', import.meta.url);
const schema = 'config/consular.schema.json';

await write(
  schema,
  await format(JSON.stringify(createJsonSchema()), { ...(await resolveConfig(new URL(schema, root))), parser: 'json' }),
);
for (const [page, make] of Object.entries({ ...PAGES, ...CHART_FILES })) await write(page, await make());

async function write(path: string, text: string): Promise<void> {
  const file = new URL(path, root);
  const before = await readFile(file, 'utf8').catch(() => '');
  await mkdir(new URL('.', file), { recursive: true });
  if (text !== before) await writeFile(file, text);
  process.stdout.write(`${path} ${text === before ? 'is up to date' : 'was written'}\n`);
}
