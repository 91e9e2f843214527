import type { JobHarness } from '../../support/job-harness';
import { graceMs, type JobProcess } from '../../support/job-process';
import { begin, type JobType } from '../../support/job-scenarios';
import type { ScriptedResponse, HeldCall, PaidCall } from '../../support/scripted-provider';
import {
  attemptIn,
  responseOf,
  fetchPicture,
  noteChange,
  refusalOf,
  findCallViolations,
  type TrackedJob,
  type UpstreamCall,
} from './oracle';
import {
  answers,
  endOf,
  isExecutedBy,
  times,
  type ResponseName,
  type HoldName,
  type Meanwhile,
  type Step,
} from './steps';

/** The initial state of a job. */
export interface InitialJob {
  jobType: JobType;
  isSubmitted: boolean;
}

/** A paid call without a response. */
interface OpenCall {
  call: UpstreamCall;
  held: HeldCall;
  /** The pass that waits for it. */
  pass: Promise<void>;
}

/** Simulates jobs, two processes and an upstream, one step after the other. */
export class JobSimulation {
  readonly jobs: TrackedJob[] = [];
  readonly calls: UpstreamCall[] = [];
  readonly processes: JobProcess[];
  /** Violations found when a call arrived. */
  readonly violations: string[] = [];
  private readonly open: OpenCall[] = [];
  private calling: { by: JobProcess; response: ResponseName | HoldName } | null = null;
  private refs = 0;

  private constructor(readonly harness: JobHarness) {
    this.processes = [harness.process(), harness.process()];
    harness.provider.onCall = (paid) => this.onCall(paid);
    harness.pictures = fetchPicture;
  }

  /** @param initialJobs - the jobs, and whether the upstream already has them */
  static async open(harness: JobHarness, initialJobs: readonly InitialJob[]): Promise<JobSimulation> {
    const simulation = new JobSimulation(harness);
    for (const { jobType, isSubmitted } of initialJobs) {
      const job = await begin(harness, jobType);
      simulation.jobs.push({
        ...job,
        isDeleted: false,
        retries: 0,
        retriesSinceCall: 0,
        setAside: new Set(),
        last: await harness.row(job),
      });
      if (isSubmitted)
        await simulation.perform({
          op: 'submit',
          by: 0,
          job: simulation.jobs.length - 1,
          response: 'accept',
          crash: null,
        });
    }
    return simulation;
  }

  /** Performs a step. A step that is not possible now has no effect. */
  async perform(step: Step): Promise<void> {
    switch (step.op) {
      case 'submit':
        return this.submit(this.jobs[step.job]!, step);
      case 'answer':
        return this.answer(step);
      case 'poll':
        return this.poll(this.jobs[step.job]!, step);
      case 'store':
        return this.store(step);
      case 'wait':
        return this.wait(this.jobs[step.job]!, times[step.time]);
      case 'fetch':
        return this.fetchPhotos(this.jobs[step.job]!);
      case 'cancel':
      case 'retry':
      case 'delete':
        return this.change(this.jobs[step.job]!, step.op);
      case 'crash':
      case 'cut':
      case 'mend':
      case 'replay':
        return this.happen(step.by, step.op);
    }
  }

  /** Ends all faults and advances the time until every job has ended. */
  async settle(): Promise<void> {
    const { provider } = this.harness;
    this.processes.forEach((process) => (process.isCutOff = false));
    provider.hangUp();
    await Promise.all(this.open.splice(0).map(({ pass }) => pass));
    provider.otherwise = answers.done;
    for (const { ref } of this.calls) if (ref !== null) provider.says(ref, answers.done);
    for (const process of this.processes) await process.replay();
    for (let round = 0; round < 8; round += 1) {
      const waiting = await this.waiting();
      if (waiting.length === 0) return;
      for (const job of waiting) await this.moveOn(job);
      await this.store({ op: 'store', by: 0, crash: null });
    }
  }

  private async moveOn(job: TrackedJob): Promise<void> {
    const [one, other] = this.processes as [JobProcess, JobProcess];
    await this.wait(job, times.grace);
    this.calling = { by: one, response: 'accept' };
    await one.submit(job.table);
    await this.harness.untilDue(job);
    await other.poll(job.table);
  }

  /** Jobs with pending work. */
  private async waiting(): Promise<TrackedJob[]> {
    const rows = await Promise.all(this.jobs.map((job) => this.harness.find(job)));
    return this.jobs.filter((_, index) => rows[index] && rows[index].dueAt !== null);
  }

  private async submit(job: TrackedJob, step: Extract<Step, { op: 'submit' }>): Promise<void> {
    const by = this.processes[step.by]!;
    await this.onlyDue(job);
    const { provider } = this.harness;
    const isHeld = step.response === 'holdTaken' || step.response === 'holdLost';
    const held = isHeld ? provider.hold() : null;
    const count = this.calls.length;
    this.calling = { by, response: step.response };
    if (!held) provider.next(() => this.responseOf(this.calls.at(-1)!, step.response as ResponseName)());
    by.crashAt(step.crash);
    const pass = this.ignoreUnavailable(by.submit(job.table));
    if (held) await Promise.race([held.arrived, pass]);
    else await pass;
    provider.unscript();
    by.crashAt(null);
    if (held && this.calls.length > count) this.open.push({ call: this.calls[count]!, held, pass });
    this.replaceIfDead(step.by);
  }

  private async answer({ call: number, response, crash }: Extract<Step, { op: 'answer' }>): Promise<void> {
    const [open] = this.open.length > 0 ? this.open.splice(number % this.open.length, 1) : [];
    if (!open) return;
    const { call, held, pass } = open;
    const ending = endOf(call.isExecuted, response);
    // Certain responses are retried for a minute during a database outage, so the database is reconnected.
    if (ending !== 'accept' && ending !== 'duplicate') call.by.isCutOff = false;
    call.by.crashAt(crash);
    held.answer(this.responseOf(call, ending));
    await pass;
    call.by.crashAt(null);
    this.replaceIfDead(this.processes.indexOf(call.by));
  }

  private async poll(job: TrackedJob, step: Extract<Step, { op: 'poll' }>): Promise<void> {
    const by = this.processes[step.by]!;
    await this.onlyDue(job);
    const ref = (await this.harness.find(job))?.providerRef;
    if (ref) this.harness.provider.says(ref, answers[step.says]);
    const { meanwhile } = step;
    by.crashAt(step.crash);
    if (meanwhile) by.pauseAt('poll:answered', () => this.interrupt(1 - step.by, meanwhile));
    await this.ignoreUnavailable(by.poll(job.table));
    by.pauseAt(null);
    by.crashAt(null);
    this.replaceIfDead(step.by);
  }

  private async interrupt(by: number, meanwhile: Meanwhile): Promise<void> {
    await this.perform(
      meanwhile.op === 'poll' ? { ...meanwhile, by, crash: null, meanwhile: null } : meanwhile,
    );
  }

  private async store(step: Extract<Step, { op: 'store' }>): Promise<void> {
    const by = this.processes[step.by]!;
    await this.harness.database.rows('UPDATE avatars SET due_at = now() WHERE due_at IS NOT NULL');
    by.crashAt(step.crash);
    await this.ignoreUnavailable(by.storePictures());
    by.crashAt(null);
    this.replaceIfDead(step.by);
  }

  /** Advances the time. The upstream fetches the photos of executed calls meanwhile. */
  private async wait(job: TrackedJob, ms: number): Promise<void> {
    if (ms >= graceMs) await this.fetchPhotos(job);
    await this.harness.age(job, ms);
  }

  private async fetchPhotos(job: TrackedJob): Promise<void> {
    for (const call of this.calls) {
      if (call.job === job && call.isExecuted && call.paid.photoUrls.length > 0)
        await this.harness.fetchPhoto(call.paid);
    }
  }

  private async change(job: TrackedJob, op: 'cancel' | 'retry' | 'delete'): Promise<void> {
    const before = await this.harness.find(job);
    const refusal = await this.harness[op](job).then(
      () => null,
      (error: unknown) => (error as { code?: string }).code ?? String(error),
    );
    const expected = refusalOf(op, before);
    if (refusal !== expected)
      this.violations.push(`${op} of what is ${before?.status}: ${refusal}, and not ${expected}`);
    if (refusal === null) noteChange(job, op, before);
  }

  private async happen(number: number, op: 'crash' | 'cut' | 'mend' | 'replay'): Promise<void> {
    const process = this.processes[number]!;
    if (op === 'replay') await this.ignoreUnavailable(process.replay());
    else if (op === 'crash') process.kill();
    else process.isCutOff = op === 'cut';
    this.replaceIfDead(number);
  }

  /** Replaces a killed process, as a supervisor would. */
  private replaceIfDead(number: number): void {
    const process = this.processes[number];
    if (process?.isDead) this.processes[number] = this.harness.successor(process);
  }

  /** Makes this job the only due one and ends its lease. */
  private async onlyDue(job: TrackedJob): Promise<void> {
    await this.harness.database.rows(
      `UPDATE ${job.table} SET due_at = now() + interval '1 h' WHERE id <> $1 AND due_at < now() + interval '1 s'`,
      [job.id],
    );
    await this.harness.untilDue(job);
  }

  /** A pass without a database ends with an error, which delays the periodic task. */
  private async ignoreUnavailable(pass: Promise<unknown>): Promise<void> {
    await pass.catch((error: unknown) => {
      if ((error as { code?: string }).code !== 'SERVICE_UNAVAILABLE') throw error;
    });
  }

  private responseOf(call: UpstreamCall, name: ResponseName): ScriptedResponse {
    const fresh = `ref-${(this.refs += 1)}`;
    return responseOf(call, name, { fresh, used: this.calls.find(({ ref }) => ref !== null)?.ref ?? fresh });
  }

  /** Checks whether a paid call was allowed when it arrives. */
  private async onCall(paid: PaidCall): Promise<void> {
    const { by, response } = this.calling!;
    const job = this.jobs.find(({ id, tag }) => paid.photoUrls[0]?.includes(id) ?? tag === paid.prompt)!;
    const ledger = await this.harness.ledger(job);
    const attempt = attemptIn(paid) ?? ledger.length;
    this.calls.push({
      job,
      attempt,
      paid,
      by,
      isExecuted: isExecutedBy(response),
      ref: null,
      isKnown: false,
    });
    this.violations.push(...findCallViolations(job, attempt, ledger));
    job.retriesSinceCall = 0;
    if (response === 'acceptWhileCut') by.isCutOff = true;
  }
}
