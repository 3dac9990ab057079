/** The page's style: light and dark, as the reader's system has it. Series colours differ in lightness, too. */
export const STYLE = `
:root { color-scheme: light dark; --bg: #fcfcfb; --fg: #1c1d1f; --soft: #5d6167; --line: #dfe1e4; --panel: #ffffff; --warn: #8a4b00; --warn-bg: #fff3e0;
  --s0: #6b7078; --s1: #0b64c0; --s2: #b3430a; --s3: #1d7a46; --s4: #8b3fa8; --s5: #97750a; }
@media (prefers-color-scheme: dark) {
  :root { --bg: #121315; --fg: #e9eaec; --soft: #a2a7ae; --line: #2d3035; --panel: #191b1e; --warn: #ffc37a; --warn-bg: #33260f;
    --s0: #9aa0a8; --s1: #6cb2ff; --s2: #ff9a62; --s3: #6fd39a; --s4: #d59bee; --s5: #e3c356; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--bg); color: var(--fg); font: 16px/1.55 system-ui, sans-serif; }
header, main { max-width: 980px; margin: 0 auto; padding: 0 20px; }
header { padding-top: 40px; }
h1 { font-size: 30px; margin: 0; letter-spacing: -0.01em; }
header > p { color: var(--soft); margin: 4px 0 0; }
header > p.banner { color: var(--warn); background: var(--warn-bg); border-radius: 8px; padding: 10px 14px; margin: 20px 0; }
nav { display: flex; flex-wrap: wrap; gap: 6px 18px; border-bottom: 1px solid var(--line); padding: 14px 0; }
a { color: var(--s1); text-decoration: none; }
a:hover { text-decoration: underline; }
section { margin: 36px 0 48px; }
h2 { font-size: 21px; margin: 0 0 14px; }
figure { margin: 0 0 24px; background: var(--panel); border: 1px solid var(--line); border-radius: 10px; padding: 14px 16px; overflow-x: auto; }
figure svg { display: block; width: 100%; min-width: 640px; height: auto; font: 12px system-ui, sans-serif; }
figcaption { color: var(--soft); font-size: 14px; margin-top: 8px; }
.simulated { color: var(--warn); }
svg .label { fill: var(--fg); } svg .value { fill: var(--fg); font-variant-numeric: tabular-nums; } svg .tick { fill: var(--soft); font-size: 11px; }
svg .grid { stroke: var(--line); stroke-width: 1; }
.wide { overflow-x: auto; margin: 0 0 22px; }
table { border-collapse: collapse; font-size: 14px; min-width: 100%; }
caption { text-align: left; color: var(--soft); padding: 0 0 6px; }
th, td { padding: 5px 10px; border-bottom: 1px solid var(--line); text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
th:first-child, td:first-child, table.list td, #ratios td:nth-child(2), #method td { text-align: left; }
table.list td, #method td, #ratios td:nth-child(4) { white-space: normal; }
th { color: var(--soft); font-weight: 600; }
details > summary { cursor: pointer; color: var(--s1); margin-bottom: 14px; }
code { font: 0.92em ui-monospace, monospace; }
li { margin: 3px 0; }
@media (max-width: 600px) { body { font-size: 15px; } header, main { padding: 0 14px; } }
`;
