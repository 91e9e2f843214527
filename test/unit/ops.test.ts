import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { settings } from '../../src/config';

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

describe('the Helm chart', () => {
  const chart = 'ops/helm/likeness';
  const values = read(`${chart}/values.yaml`);
  const templates = readdirSync(join(root, chart, 'templates'))
    .map((name) => read(`${chart}/templates/${name}`))
    .join('\n');
  const numberOf = (name: string, text: string): number =>
    Number(new RegExp(`\\b${name}: (\\d+)`).exec(text)![1]);

  it('uses only settings that exist', () => {
    const names = `${values}\n${templates}`.match(/\b(?!POSTGRES)[A-Z][A-Z\d]*(?:_[A-Z\d]+)+\b/g)!;
    expect(names.length).toBeGreaterThan(15);
    expect(names.filter((name) => !(name in settings.shape))).toEqual([]);
  });

  it('scales by metrics of the gateway', () => {
    const folder = 'src/app/metrics';
    const sources = readdirSync(join(root, folder)).map((name) => read(`${folder}/${name}`));
    const metrics = [...templates.matchAll(/"metric" "(\w+)"/g)].map((match) => match[1]!);
    expect(metrics).toEqual(['likeness_subscriptions', 'likeness_work_lag_seconds']);
    for (const metric of metrics) expect(sources.join('\n')).toMatch(new RegExp(`\\b${metric}\\b`));
  });

  it('gives processes the time to stop, and load balancers the time to notice it', () => {
    const { SUBMIT_TIMEOUT, SHUTDOWN_GRACE } = settings.parse({});
    const drainSeconds = Number(/SHUTDOWN_DRAIN: (\d+)s/.exec(values)![1]);
    const stopSeconds =
      Math.max(SUBMIT_TIMEOUT / 1_000 + SHUTDOWN_GRACE / 1_000, drainSeconds) + SHUTDOWN_GRACE / 1_000;
    expect(numberOf('terminationGracePeriodSeconds', values)).toBeGreaterThanOrEqual(stopSeconds);
    for (const [name, ms] of Object.entries({ SUBMIT_TIMEOUT, SHUTDOWN_GRACE }))
      expect(templates).toContain(`"name" "${name}" "default" "${ms / 1_000}s"`);
    const readiness = templates.slice(templates.indexOf('readinessProbe:'));
    const noticedSeconds = numberOf('periodSeconds', readiness) * numberOf('failureThreshold', readiness);
    expect(drainSeconds).toBeGreaterThan(noticedSeconds);
  });

  it('migrates as its pods use the database: with their engine, and beside a pooler', () => {
    const migration = read(`${chart}/templates/migration.yaml`);
    for (const name of ['DATABASE_URL', 'DATABASE_DIRECT_URL', 'DATABASE_ENGINE'])
      expect(migration).toContain(name);
  });

  it('migrates in a pod that is placed like the others, and does not end a process that migrates for an hour', () => {
    const placing = 'include "likeness.scheduling"';
    expect(read(`${chart}/templates/migration.yaml`)).toContain(placing);
    const helpers = read(`${chart}/templates/_helpers.tpl`);
    expect(helpers).toContain(placing);
    for (const name of ['serviceAccountName', 'imagePullSecrets', 'nodeSelector', 'tolerations'])
      expect(helpers).toContain(`\n${name}: `.trimEnd());
    const startup = helpers.slice(helpers.indexOf('startupProbe:'));
    const [, failures] = /failureThreshold: {{ ternary \d+ (\d+) \$values\.migration\.enabled }}/.exec(
      startup,
    )!;
    expect(numberOf('periodSeconds', startup) * Number(failures)).toBeGreaterThanOrEqual(3_600);
  });

  it('has the version of the package', () => {
    const { version } = JSON.parse(read('package.json')) as { version: string };
    expect(read(`${chart}/Chart.yaml`)).toContain(`\nversion: ${version}\nappVersion: ${version}\n`);
  });
});
