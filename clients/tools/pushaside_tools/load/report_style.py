"""The CSS of the report: light or dark as the reader's system, in one column on a phone."""

STYLE = """
:root {
  --page: #fbfbfa; --card: #ffffff; --ink: #1d2129; --quiet: #5d6673; --rule: #e3e6ea; --axis: #98a1ad;
  --c1: #2563c9; --c2: #c9740a; --c3: #b3324f; --c4: #5b6b7f; --c5: #7a3fb0; --good: #1a7f4b; --bad: #b3261e;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14171c; --card: #1c2027; --ink: #e6e9ee; --quiet: #9aa4b2; --rule: #2d333d; --axis: #667080;
    --c1: #6aa5ff; --c2: #f0a848; --c3: #f2748d; --c4: #9fb0c6; --c5: #bd93f0; --good: #58c98c; --bad: #ff8a80;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1.5rem clamp(.75rem, 3vw, 2rem) 3rem; max-width: 75rem; background: var(--page);
  color: var(--ink); font: 15px/1.45 system-ui, sans-serif; font-variant-numeric: tabular-nums;
}
h1 { margin: 0; font-size: 1.5rem; line-height: 1.2; }
h3 { margin: 0; font-size: 1rem; }
header p { margin: .3rem 0; color: var(--quiet); overflow-wrap: anywhere; }
header .verdict { margin: .8rem 0 0; padding: .5rem .8rem; border-left: 4px solid; background: var(--card); }
header .good { color: var(--good); } header .bad { color: var(--bad); } header .so { color: var(--c2); }
.tiles { display: flex; flex-wrap: wrap; gap: .6rem; margin: .8rem 0; }
.tiles div { flex: 1 1 7.5rem; padding: .6rem .8rem; background: var(--card); border: 1px solid var(--rule); }
.tiles b { display: block; font-size: 1.3rem; white-space: nowrap; }
.tiles span { color: var(--quiet); font-size: .85rem; }
.plots, .tables { display: grid; gap: .8rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 27rem), 1fr)); }
.tables { margin-top: .8rem; align-items: start; }
figure, .card { margin: 0; padding: .9rem; background: var(--card); border: 1px solid var(--rule); }
figure, .card { min-width: 0; }
.card { overflow-x: auto; }
figure { display: flex; flex-direction: column; justify-content: space-between; }
.card + .card { margin-top: .8rem; }
figcaption p { margin: .1rem 0 .3rem; color: var(--quiet); font-size: .85rem; }
.keys { display: flex; flex-wrap: wrap; gap: .1rem .9rem; font-size: .85rem; min-height: 1.3em; }
.key::before {
  content: ""; display: inline-block; width: 1.1em; margin-right: .4em; vertical-align: .25em;
  border-top: 3px solid var(--color);
}
.key.dashed::before { border-top-style: dashed; }
.c1 { --color: var(--c1); } .c2 { --color: var(--c2); } .c3 { --color: var(--c3); }
.c4 { --color: var(--c4); } .c5 { --color: var(--c5); }
svg { display: block; width: 100%; height: auto; }
svg .dot { stroke-width: 12px; stroke-opacity: 0; pointer-events: all; }
svg .dot:hover { fill: var(--ink); stroke: var(--axis); stroke-opacity: .35; }
table { width: 100%; margin-top: .4rem; border-collapse: collapse; font-size: .9rem; }
th, td { padding: .2rem .3rem; border-top: 1px solid var(--rule); text-align: right; vertical-align: top; }
th { font-weight: normal; color: var(--quiet); }
th[scope=row] { text-align: left; white-space: nowrap; }
td { overflow-wrap: anywhere; }
.flaw th, .flaw td { color: var(--bad); font-weight: 600; }
"""
