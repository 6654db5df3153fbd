'use strict';

/* The header of every page. asv uses fragments for its own routes, so the skip button moves the focus instead of
   following a link. */
(function () {
    document.addEventListener('click', function (event) {
        var target = event.target.closest('[data-skip]');
        if (target) {
            document.getElementById(target.dataset.skip).focus();
        }
    });
    function markCurrent() {
        var active = document.querySelectorAll('#nav li');
        active.forEach(function (item) {
            var link = item.querySelector('a');
            if (link) {
                if (item.classList.contains('active')) {
                    link.setAttribute('aria-current', 'page');
                } else {
                    link.removeAttribute('aria-current');
                }
            }
        });
    }
    document.addEventListener('DOMContentLoaded', function () {
        markCurrent();
        new MutationObserver(markCurrent).observe(document.getElementById('nav'), {
            attributes: true, attributeFilter: ['class'], subtree: true
        });
    });
})();
