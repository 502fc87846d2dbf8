import { writeFile } from 'node:fs/promises';
import { dashboardJson } from './dashboard.ts';

/** Writes dashboard.json: `npm run dashboard`. */
await writeFile(new URL('dashboard.json', import.meta.url), dashboardJson());
