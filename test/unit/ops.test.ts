import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(__dirname, '../..');
const read = (name: string): string => readFileSync(join(root, name), 'utf8');

describe('the alert rules', () => {
  const rules = read('ops/prometheus/alerts.yml');
  const alerts = [...rules.matchAll(/- alert: (\w+)/g)].map((match) => match[1]!);

  it('have a paragraph each in the runbook, which names no other alert', () => {
    const runbook = [...read('docs/operations.md').matchAll(/^#### (Likeness\w+)\n\n\S/gm)];
    expect(alerts.length).toBeGreaterThan(10);
    expect(runbook.map((match) => match[1]!).sort()).toEqual([...alerts].sort());
  });

  it('refer to their paragraphs', () => {
    const links = [...rules.matchAll(/runbook: docs\/operations\.md#(\w+)/g)].map((match) => match[1]!);
    expect(links).toEqual(alerts.map((name) => name.toLowerCase()));
  });
});
