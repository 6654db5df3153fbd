'use strict';

/* asv's controls need a mouse: links without an address, and headings that sort. This makes them usable by keyboard,
   and gives them names for screen readers. */
$(document).ready(function () {
    var controls = 'a[role=button], th[data-sort], label.nav-header';

    function reach() {
        $(controls).not('[tabindex]').attr('tabindex', '0');
        $('label.nav-header').attr('role', 'button');
        $('a.btn[data-toggle=tooltip], .btn-group a.btn').each(function () {
            this.setAttribute('aria-pressed', this.classList.contains('active'));
        });
        $('.asv-navigation a.btn').not('[data-original-title], [title]').attr('title', function () { return $(this).text(); });
        $('#range').attr('aria-label', 'Range of commits shown');
        $('#main-graph, #overview').attr('role', 'img').attr('aria-label', function () {
            return this.id === 'overview' ? 'Overview of the graph' : 'Values by commit; the list view shows them as a table';
        });
        $('.benchmark-plot').attr('aria-hidden', 'true');
        $('th:empty').replaceWith('<td></td>');
    }

    $(document).on('keydown', controls, function (event) {
        if (event.key === 'Enter' || event.key === ' ') {
            event.preventDefault();
            event.target.click();
        }
    });
    var waiting = false;
    new MutationObserver(function () {
        if (!waiting) {
            waiting = true;
            window.requestAnimationFrame(function () { waiting = false; reach(); });
        }
    }).observe(document.getElementById('main'), {childList: true, subtree: true, attributes: true, attributeFilter: ['class']});
    reach();
});
