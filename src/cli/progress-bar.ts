import type { Shell } from './shell';

const width = 30;

/** Shows how much of a long command is done, on a terminal; elsewhere it prints nothing. */
export class ProgressBar {
  private done = 0;
  private shownPercent = -1;

  /** @param total - the number of units, which may be an estimate */
  constructor(
    private readonly shell: Pick<Shell, 'progress'>,
    private readonly total: number,
  ) {}

  /** @param label - what is being done */
  add(units: number, label: string): void {
    this.done += units;
    const share = Math.min(1, this.total === 0 ? 1 : this.done / this.total);
    const percent = Math.floor(share * 100);
    if (percent === this.shownPercent) return;
    this.shownPercent = percent;
    const bar = '#'.repeat(Math.round(share * width)).padEnd(width, '-');
    this.shell.progress?.(`[${bar}] ${String(percent).padStart(3)} %  ${label}`);
  }

  /** Removes the bar. */
  end(): void {
    this.shell.progress?.('');
  }
}
