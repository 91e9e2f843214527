/** Shapes on a grid of 24 units, drawn as lines. */
const paths = {
  add: 'M12 5v14M5 12h14',
  camera: 'M4 8h3l2-3h6l2 3h3v11H4zM12 16.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7z',
  check: 'M5 12.5l4.5 4.5L19 7.5',
  close: 'M6 6l12 12M18 6L6 18',
  code: 'M8 7l-5 5 5 5M16 7l5 5-5 5',
  copy: 'M9 9h11v11H9zM5 15H4V4h11v1',
  download: 'M12 4v11M7 11l5 5 5-5M5 20h14',
  heart: 'M12 20s-7.5-4.6-7.5-10A4.3 4.3 0 0 1 12 7.4 4.3 4.3 0 0 1 19.5 10c0 5.4-7.5 10-7.5 10z',
  image: 'M4 5h16v14H4zM4 16l5-5 4 4 2.5-2.5L20 17M15.5 9.5h.01',
  left: 'M14.5 6l-6 6 6 6',
  minus: 'M5 12h14',
  pencil: 'M5 19l1-4L16 5l3 3L9 18z',
  retry: 'M19 12a7 7 0 1 1-2-5M19 4v4h-4',
  right: 'M9.5 6l6 6-6 6',
  trash: 'M5 7h14M10 7V4.5h4V7M7 7l1 13h8l1-13',
  upload: 'M12 20V9M7 13l5-5 5 5M5 4h14',
  warning: 'M12 4l9 16H3zM12 10v4M12 17h.01',
} as const;

export type IconName = keyof typeof paths;

/** Decorative: the text beside it, or the label of its button, says what it means. */
export function Icon({ name, isFilled = false }: { name: IconName; isFilled?: boolean }): React.JSX.Element {
  return (
    <svg className="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={paths[name]} fill={isFilled ? 'currentColor' : 'none'} />
    </svg>
  );
}
