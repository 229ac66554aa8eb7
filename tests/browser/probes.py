"""What the tests ask a page about its looks, in the page's own language."""

# Lightness after WCAG 2.2; colours with alpha are laid over what is behind them.
CONTRASTS = """() => {
  const parse = (colour) => (colour.match(/[\\d.]+/g) ?? []).map(Number)
  const over = (top, below) => {
    const alpha = top[3] ?? 1
    return [0, 1, 2].map((i) => top[i] * alpha + below[i] * (1 - alpha))
  }
  const back = (node) => {
    if (!node) return [255, 255, 255]
    const own = parse(getComputedStyle(node).backgroundColor)
    return (own[3] ?? 1) === 1 && own.length ? own : over(own, back(node.parentElement))
  }
  const light = (colour) => {
    const [r, g, b] = colour.map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const ratio = (node, colour) => {
    const below = back(node)
    const [a, b] = [light(over(parse(colour), below)), light(below)].sort((x, y) => y - x)
    return (a + 0.05) / (b + 0.05)
  }
  const found = []
  for (const node of document.querySelectorAll('body *')) {
    if (node.closest(':disabled') || !node.checkVisibility({ visibilityProperty: true })) continue
    const text = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim())
    const label = `${node.tagName}#${node.id}.${node.className} ${node.textContent.slice(0, 20)}`
    if (text) found.push([label, ratio(node, getComputedStyle(node).color)])
    if (node.placeholder) found.push([label + node.placeholder, ratio(node, getComputedStyle(node, '::placeholder').color)])
  }
  return found
}"""

STICKING_OUT = """() => [...document.querySelectorAll('body *')]
  .filter((node) => node.checkVisibility() && !node.closest('#rooms, .unseen, .skip'))
  .filter((node) => node.getBoundingClientRect().right > innerWidth + 0.5 || node.getBoundingClientRect().left < -0.5)
  .map((node) => node.tagName + '#' + node.id + '.' + node.className)"""

STRUCTURE = """() => ({
  language: document.documentElement.lang,
  doubled: [...document.querySelectorAll('[id]')].map((node) => node.id).filter((id, i, all) => all.indexOf(id) !== i),
  tabindex: [...document.querySelectorAll('[tabindex]')].filter((node) => node.tabIndex > 0).length,
  headings: [...document.querySelectorAll('h1')].filter((node) => node.checkVisibility()).length,
  dangling: [...document.querySelectorAll('[for], [aria-labelledby], [aria-describedby]')]
    .flatMap((node) => [node.htmlFor, node.getAttribute('aria-labelledby'), node.getAttribute('aria-describedby')])
    .filter((id) => id && !document.getElementById(id)),
  small: [...document.querySelectorAll('button, input, textarea, summary')].filter((node) => node.checkVisibility())
    .filter((node) => node.getBoundingClientRect().height < 24 || node.getBoundingClientRect().width < 24).length,
  live: document.getElementById('log').getAttribute('aria-live'),
})"""

FOCUS = """() => {
  const node = document.activeElement
  return [node.id || node.tagName, parseFloat(getComputedStyle(node).outlineWidth)]
}"""
